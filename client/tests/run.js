// Bundles the tests with what they test, and runs them: `node tests/run.js` in node, `node tests/run.js browser` in
// Chromium. A second argument is the beginning of the names of those that are wanted.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const here = dirname(fileURLToPath(import.meta.url));
const suffix = process.argv[2] === 'browser' ? '.browser.ts' : '.test.ts';
const only = process.argv[3] ?? '';
const names = readdirSync(here).filter((name) => name.endsWith(suffix) && name.startsWith(only));
// In the package, so that what is not bundled is found.
const out = mkdtempSync(join(here, '../node_modules/.tests-'));
try {
  await build({
    entryPoints: names.map((name) => join(here, name)),
    outdir: out,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    packages: 'external',
    platform: 'node',
    format: 'esm',
    target: 'node18',
    sourcemap: 'inline',
    define: { PACKAGE: JSON.stringify(join(here, '..')) },
    logLevel: 'warning',
  });
  const files = readdirSync(out).map((name) => join(out, name));
  const flags = ['--enable-source-maps', '--test', `--test-reporter=${process.stdout.isTTY ? 'spec' : 'tap'}`];
  const { status } = spawnSync(process.execPath, [...flags, ...files], { stdio: 'inherit' });
  process.exitCode = status ?? 1;
} finally {
  rmSync(out, { recursive: true });
}
