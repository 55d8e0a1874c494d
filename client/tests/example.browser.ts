// The example application, as its own package script builds it.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join } from 'node:path';
import { after, before, test } from 'node:test';
import type { Browser, Page } from 'puppeteer-core';
import { startBrowser, until } from './browser/launch.js';
import { Hairpin } from './browser/server.js';

declare const PACKAGE: string;
/** As its README starts the server. */
const SUBJECTS = ['--attribute', 'subject=choice:Mathematics/Biology/History/Spanish'];
const EXAMPLE = join(PACKAGE, '../examples/study-buddy');
const TYPES: Record<string, string> = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css' };

let browser: Browser;
const hairpin = new Hairpin();
const files = http.createServer(({ url = '/' }, response) => {
  const { pathname } = new URL(url, 'http://files/');
  const path = join(EXAMPLE, 'public', pathname === '/' ? 'index.html' : pathname);
  try {
    response.setHeader('content-type', TYPES[extname(path)] ?? 'text/plain');
    response.end(readFileSync(path));
  } catch {
    response.writeHead(404).end();
  }
});

before(async () => {
  execFileSync('npm', ['run', 'build', '--silent', '--', '--log-level=warning'], { cwd: EXAMPLE, stdio: 'inherit' });
  await new Promise<void>((listening) => files.listen(0, '127.0.0.1', listening));
  await hairpin.start(...SUBJECTS);
  browser = await startBrowser();
});
after(async () => {
  await browser?.close();
  await hairpin.kill();
  files.close();
  files.closeAllConnections();
});

async function student(subject: string): Promise<Page> {
  const page = await browser.newPage();
  page.on('pageerror', (error) => console.log('page:', error));
  const { port } = files.address() as AddressInfo;
  await page.goto(`http://127.0.0.1:${port}/?server=http://127.0.0.1:${hairpin.port}/`);
  await press(page, subject);
  return page;
}

async function press(page: Page, name: string): Promise<void> {
  const button = `[...document.querySelectorAll('button')].find(({ textContent }) => textContent === '${name}')`;
  await until(page, button);
  await page.evaluate(`${button}.click()`);
}

const says = (text: string): string => `document.querySelector('[role=status]')?.textContent.includes(${JSON.stringify(text)})`;
const sees = `document.querySelector('#buddy').videoWidth > 0 && document.querySelector('#buddy').currentTime > 0`;

test('two who study the same meet, see who is muted, share a timer and part', async () => {
  const ann = await student('History');
  await until(ann, says('Looking for somebody who studies History'));
  const other = await student('Spanish');
  await until(other, says('Looking for somebody who studies Spanish'));
  const bob = await student('History');
  await until(bob, says('You study History together'));
  await until(ann, says('You study History together'));
  await ann.bringToFront();
  await until(ann, sees);

  await press(ann, 'Mute');
  await until(bob, says('Your buddy is muted'));
  await press(ann, 'Focus for 25 minutes');
  await until(bob, `/^2[45]:/.test(document.querySelector('#focus')?.textContent ?? '')`);

  await hairpin.kill();
  for (const page of [ann, bob]) await until(page, says('Your call goes on; looking for the server'));
  await hairpin.start(...SUBJECTS);
  // Who leaves before it is back itself is missed by its partner only later.
  await until(ann, says('You study History together'));
  await until(bob, says('Your buddy is muted'));

  await press(bob, 'Never again');
  await until(ann, says('Looking for somebody who studies History'));
  await until(bob, says('Looking for somebody who studies History'));
  await press(bob, 'Leave');
  assert.equal(await bob.$eval('h1', (title) => title.textContent), 'What do you study today?');
});
