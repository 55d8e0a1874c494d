/** The protocol's JSON Schemas, by a validator that is none of ours. */

import { Ajv2020 } from 'ajv/dist/2020.js';
import type { ValidateFunction } from 'ajv/dist/2020.js';
// Bundled: pages use this as well, which read no files.
import client from '../../../docs/protocol/client.schema.json';
import server from '../../../docs/protocol/server.schema.json';

/** Of each direction, a validator a message: one of all at once says of what is wrong that it is none of the others, too. */
const validators = Object.fromEntries(
  Object.entries({ client, server }).map(([direction, schema]) => {
    const ajv = new Ajv2020({ allErrors: true, allowUnionTypes: true, validateFormats: false });
    const bytes = (most: number, text: string): boolean => new TextEncoder().encode(text).length <= most;
    ajv.addKeyword({ keyword: 'x-max-bytes', type: 'string', schemaType: 'number', validate: bytes });
    ajv.addSchema(schema, direction);
    return [direction, (type: string) => ajv.getSchema(`${direction}#/$defs/${type}`)];
  }),
);

/** What is wrong with a message; null if nothing is. */
export function wrong(direction: 'client' | 'server', message: any): string | null {
  const validate: ValidateFunction | undefined = validators[direction]?.(String(message?.type));
  if (!validate) return `there is no message ${JSON.stringify(message?.type)}`;
  if (validate(message)) return null;
  const errors = validate.errors?.map((error) => `${error.instancePath} ${error.message}`).join(', ');
  return `${JSON.stringify(message)}: ${errors}`;
}
