// The picture in README.md: a report of the demo, open at a channel of the layer that it shows first.
// Usage: node readme.mjs CHROMIUM PAGE.html PROFILE-FOLDER PICTURE.png CHANNEL
import { pathToFileURL } from 'node:url';
import { launch } from './launch.mjs';

const [executablePath, page, profile, picture, channel] = process.argv.slice(2);
const MARGIN = 12; // between the sections' names and the channel

const browser = await launch(executablePath, profile);
const tab = browser.pages()[0];
await tab.emulateMedia({ colorScheme: 'light' });
await tab.goto(pathToFileURL(page).href);
await tab.waitForSelector('[data-ready]');
const panel = tab.locator('#channel');
await panel.locator('label', { hasText: 'Channel' }).locator('select').first().selectOption(channel);
const nav = tab.locator('nav');
const height = Math.ceil((await nav.boundingBox()).height + (await panel.boundingBox()).height + 2 * MARGIN);
await tab.setViewportSize({ width: 1280, height });
// Charts are drawn anew for the window; the list of sections marks where the reader is a moment after the scroll.
await tab.waitForTimeout(300);
await tab.evaluate((margin) => {
  const below = document.querySelector('nav').getBoundingClientRect().height + margin;
  window.scrollBy({ top: document.querySelector('#channel').getBoundingClientRect().top - below, behavior: 'instant' });
}, MARGIN);
await tab.waitForTimeout(300);
await tab.screenshot({ path: picture });
const seen = {
  channel: await tab.locator('[data-key="channel-name"]').first().innerText(),
  classes: await panel.locator('.columns').first().locator('> div').nth(2).locator('li').evaluateAll((rows) => rows.map((row) => row.querySelector('.name').innerText)),
};
await browser.close();
console.log(JSON.stringify(seen));
