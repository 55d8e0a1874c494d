//! Whether a message is valid by a schema: as much of JSON Schema as ours say. What they do not say is refused, so that
//! nothing goes unchecked. `tests/documentation/` has the schemas read by somebody else, too.

use serde_json::{Map, Value};

/// What is said of the connection and not of the seat, or is of no use later: it has no `seq`.
pub(crate) const UNNUMBERED: [&str; 8] = [
    "welcome",
    "restart",
    "match_offer",
    "token_renewed",
    "token_expiring",
    "goaway",
    "pong",
    "ack",
];

/// What is wrong, if anything is.
pub(crate) fn valid(value: &Value, direction: &Value) -> Result<(), String> {
    let kind = value["type"].as_str().ok_or("it has no type")?;
    let definition = direction["$defs"].get(kind).ok_or_else(|| format!("{kind} is no message"))?;
    check(value, definition, direction).map_err(|wrong| format!("{kind}: {wrong}"))
}

pub(crate) fn check(value: &Value, schema: &Value, root: &Value) -> Result<(), String> {
    let Value::Object(schema) = schema else {
        return if *schema == true { Ok(()) } else { Err(format!("{schema} allows nothing")) };
    };
    schema.iter().try_for_each(|(keyword, says)| {
        let holds = holds(keyword, says, value, schema, root)?;
        if holds { Ok(()) } else { Err(format!("{value} is against {keyword}: {says}")) }
    })
}

fn holds(
    keyword: &str,
    says: &Value,
    value: &Value,
    schema: &Map<String, Value>,
    root: &Value,
) -> Result<bool, String> {
    let limit = || says.as_u64().expect("a limit is a number");
    let is = |schema: &Value| check(value, schema, root).is_ok();
    // A keyword says nothing of values of another type.
    Ok(match (keyword, value) {
        ("type", _) => {
            let is =
                |says: &Value| *says == of_type(value) || (says == "number" && value.is_number());
            says.as_array().map_or_else(|| is(says), |any| any.iter().any(is))
        }
        ("const", _) => says == value,
        ("enum", _) => says.as_array().expect("a list").contains(value),
        ("$ref", _) => {
            let path = says.as_str().expect("a reference").trim_start_matches('#');
            check(value, root.pointer(path).expect("it is there"), root)?;
            true
        }
        ("oneOf", _) => says.as_array().expect("a list").iter().filter(|one| is(one)).count() == 1,
        ("anyOf", _) => says.as_array().expect("a list").iter().any(is),
        ("properties", Value::Object(fields)) => {
            for (field, schema) in says.as_object().expect("schemas by name") {
                if let Some(value) = fields.get(field) {
                    check(value, schema, root).map_err(|wrong| format!("{field}: {wrong}"))?;
                }
            }
            true
        }
        ("additionalProperties", Value::Object(fields)) => {
            assert!(!schema.contains_key("properties"), "a map has no fields of its own");
            fields.values().try_for_each(|value| check(value, says, root))?;
            true
        }
        ("required", Value::Object(fields)) => {
            let mut names = says.as_array().expect("names").iter().filter_map(Value::as_str);
            names.all(|name| fields.contains_key(name))
        }
        ("items", Value::Array(all)) => {
            all.iter().try_for_each(|value| check(value, says, root))?;
            true
        }
        ("minItems", Value::Array(all)) => all.len() as u64 >= limit(),
        ("maxItems", Value::Array(all)) => all.len() as u64 <= limit(),
        ("minLength", Value::String(text)) => text.chars().count() as u64 >= limit(),
        ("maxLength", Value::String(text)) => text.chars().count() as u64 <= limit(),
        ("x-max-bytes", Value::String(text)) => text.len() as u64 <= limit(),
        ("minimum", Value::Number(number)) => number.as_f64() >= says.as_f64(),
        ("maximum", Value::Number(number)) => number.as_f64() <= says.as_f64(),
        // The only one there is.
        ("pattern", Value::String(text)) => {
            assert_eq!(says, "^[0-9a-f]{32}$");
            text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        }
        ("description" | "title" | "default" | "format", _) => true,
        (
            "properties"
            | "additionalProperties"
            | "required"
            | "items"
            | "minItems"
            | "maxItems"
            | "minLength"
            | "maxLength"
            | "x-max-bytes"
            | "minimum"
            | "maximum"
            | "pattern",
            _,
        ) => true,
        (other, _) => panic!("{other} is not understood here"),
    })
}

fn of_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_u64() || number.is_i64() => "integer",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}
