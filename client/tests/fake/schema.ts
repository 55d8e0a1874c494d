/** The protocol's JSON Schemas, by a validator that is none of ours. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import type { ValidateFunction } from 'ajv/dist/2020.js';

/** The folder of the package. */
declare const PACKAGE: string;

export function document(name: string): any {
  return JSON.parse(readFileSync(join(PACKAGE, '../docs/protocol', name), 'utf8'));
}

/** Of each direction, a validator a message: one of all at once says of what is wrong that it is none of the others, too. */
const validators = Object.fromEntries(
  ['client', 'server'].map((direction) => {
    const ajv = new Ajv2020({ allErrors: true, allowUnionTypes: true, validateFormats: false });
    const bytes = (most: number, text: string): boolean => new TextEncoder().encode(text).length <= most;
    ajv.addKeyword({ keyword: 'x-max-bytes', type: 'string', schemaType: 'number', validate: bytes });
    ajv.addSchema(document(`${direction}.schema.json`), direction);
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
