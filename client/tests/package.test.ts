import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';

declare const PACKAGE: string;
const file = (...path: string[]): string => readFileSync(join(PACKAGE, ...path), 'utf8');

test('what is committed in dist is what the sources build', () => {
  const fresh = mkdtempSync(join(tmpdir(), 'hairpin-client-'));
  execFileSync(process.execPath, [join(PACKAGE, 'build.js'), fresh]);
  const names = readdirSync(fresh);
  assert.ok(names.includes('hairpin-client.js') && names.includes('react.d.ts'), names.join());
  for (const name of names) assert.equal(file('dist', name), readFileSync(join(fresh, name), 'utf8'), `npm run build: ${name}`);
  rmSync(fresh, { recursive: true });
});

test('it is as small as its README says', () => {
  const promised = /(\d+(?:\.\d+)?) KB/.exec(file('README.md'));
  const size = gzipSync(file('dist', 'hairpin-client.js'), { level: 9 }).length / 1000;
  assert.ok(size <= Number(promised?.[1]), `${size} KB`);
  assert.ok(size > Number(promised?.[1]) - 1, `${size} KB: the README may promise less`);
});

test('it depends on nothing when it runs', () => {
  const { dependencies = {}, sideEffects } = JSON.parse(file('package.json'));
  assert.deepEqual([dependencies, sideEffects], [{}, false]);
  const imports = file('dist', 'hairpin-client.js').match(/\bimport\s*[{(*'"\w]/g);
  assert.equal(imports, null);
  assert.doesNotMatch(file('package-lock.json'), /"resolved"/);
});

test('every method that the README names is there, and every one that is there is named', () => {
  const types = file('dist', 'client.d.ts');
  const there = [...types.matchAll(/^ {4}(?:readonly |get |set )?(\w+)[(<:]/gm)].map(([, name]) => name);
  const members = new Set(there.filter((name) => name !== 'constructor' && name !== 'private'));
  const named = new Set([...file('README.md').matchAll(/^\| `(\w+)/gm)].map(([, name]) => name));
  assert.deepEqual([...members].filter((name) => !named.has(name)), []);
  assert.deepEqual([...named].filter((name) => !members.has(name)), []);
});
