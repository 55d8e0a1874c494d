// Builds dist/: one file for each entry, the types that can be reached from them, and the demo page's script.
// Elsewhere than into dist/ with a folder as argument: so the tests see whether what is committed is fresh.
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = dirname(fileURLToPath(import.meta.url));
const ENTRIES = ['hairpin-client', 'react'];

export async function buildInto(dist) {
  mkdirSync(dist, { recursive: true });
  // The page is one file with the client in it.
  for (const [entry, source] of [...ENTRIES.map((entry) => [entry, `src/${entry}.ts`]), ['page', 'page/main.ts']]) {
    await build({
      absWorkingDir: root,
      entryPoints: [source],
      outfile: join(dist, `${entry}.js`),
      bundle: true,
      format: 'esm',
      target: 'es2022',
      minify: true,
      legalComments: 'none',
      // The hooks use the client that is there, and the application's React.
      external: ['./hairpin-client.js', 'react'],
      logLevel: 'warning',
    });
  }
  const declarations = mkdtempSync(join(tmpdir(), 'hairpin-client-'));
  const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc');
  const flags = ['--project', root, '--declaration', '--emitDeclarationOnly', '--outDir', declarations];
  execFileSync(process.execPath, [tsc, ...flags], { stdio: 'inherit' });
  copyReachable(join(declarations, 'src'), dist);
  rmSync(declarations, { recursive: true });
}

function copyReachable(from, dist) {
  const found = new Set(ENTRIES);
  for (const name of found) {
    const text = readFileSync(join(from, `${name}.d.ts`), 'utf8');
    copyFileSync(join(from, `${name}.d.ts`), join(dist, `${name}.d.ts`));
    for (const [, imported] of text.matchAll(/from '\.\/([\w-]+)\.js'/g)) found.add(imported);
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await buildInto(process.argv[2] ?? join(root, 'dist'));
