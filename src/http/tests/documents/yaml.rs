//! JSON as YAML that people read.

use serde_json::Value;

pub(super) fn yaml(value: &Value) -> String {
    let mut text =
        "# Made from the code: `UPDATE_PROTOCOL=1 cargo test -p hairpin documents` writes it anew.\n"
            .to_owned();
    write(value, 0, &mut text);
    text
}

fn write(value: &Value, indent: usize, out: &mut String) {
    let margin = " ".repeat(indent);
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().collect();
            // What says what it is comes first.
            fields.sort_by_key(|(name, _)| match name.as_str() {
                "openapi" | "asyncapi" | "name" => 0,
                "info" | "summary" => 1,
                _ => 2,
            });
            for (name, value) in fields {
                *out += &format!("{margin}{}:", scalar(name));
                below(value, indent, out);
            }
        }
        Value::Array(all) => {
            for value in all {
                let start = out.len();
                if is_block(value) {
                    write(value, indent + 2, out);
                    // The first line of what is in it stands beside the dash.
                    out.replace_range(start..start + indent + 2, &format!("{margin}- "));
                } else {
                    *out += &format!("{margin}- {}\n", flow(value));
                }
            }
        }
        other => *out += &format!("{margin}{}\n", flow(other)),
    }
}

fn below(value: &Value, indent: usize, out: &mut String) {
    if is_block(value) {
        out.push('\n');
        write(value, indent + 2, out);
    } else {
        *out += &format!(" {}\n", flow(value));
    }
}

fn is_block(value: &Value) -> bool {
    match value {
        Value::Object(fields) => !fields.is_empty(),
        Value::Array(all) => !all.is_empty(),
        _ => false,
    }
}

fn flow(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), scalar)
}

/// As it is, where nobody could take it for anything but text; else as in JSON, which YAML has too.
fn scalar(text: &str) -> String {
    const WORDS: [&str; 9] = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    let plain = text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '/')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "_-/{}. ".contains(c))
        && !text.ends_with(' ')
        && !WORDS.contains(&text.to_ascii_lowercase().as_str());
    if plain { text.to_owned() } else { Value::from(text).to_string() }
}

#[test]
fn text_that_could_be_something_else_is_quoted() {
    let value = serde_json::json!({
        "on": ["no", "1.0", "a: b", "#", "", "a b", {"x": [], "info": {}}, [1, [true]]],
        "$ref": "x.json#/y",
    });
    let text = yaml(&value);
    let lines: Vec<_> = text.lines().skip(1).collect();
    assert_eq!(
        lines.join("\n"),
        r##""$ref": "x.json#/y"
"on":
  - "no"
  - "1.0"
  - "a: b"
  - "#"
  - ""
  - a b
  - info: {}
    x: []
  - - 1
    - - true"##
    );
}
