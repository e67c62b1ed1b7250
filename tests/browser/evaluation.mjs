// Look at a report's section on evaluations in Chromium, and print what was seen as one JSON object.
// Usage: node evaluation.mjs CHROMIUM PAGE.html PROFILE-FOLDER [SCREENSHOTS-FOLDER]
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { launch } from './launch.mjs';

const [executablePath, page, profile, screenshots] = process.argv.slice(2);
const browser = await launch(executablePath, profile);
const tab = browser.pages()[0];
const section = tab.locator('#evaluation');
const seen = { errors: [], widths: {}, answers: {} };
tab.on('console', (message) => { if (['error', 'warning'].includes(message.type())) seen.errors.push(message.text()); });
tab.on('pageerror', (error) => seen.errors.push(String(error.stack)));

async function open(width, colorScheme) {
  await tab.emulateMedia({ colorScheme });
  await tab.setViewportSize({ width, height: 900 });
  await tab.goto(pathToFileURL(page).href);
  await tab.waitForSelector('[data-ready]');
  await tab.waitForTimeout(300);
}

const tablesOf = (part) => part.locator('table').evaluateAll((all) => all.map((one) => Array.from(one.rows, (row) => Array.from(row.cells, (cell) => cell.innerText))));

// Of a circuit or of pruning: tables and symbols of the curves, for every measure that can be chosen.
async function answers(part) {
  await part.locator('summary').click();
  const found = {};
  for (const button of await part.locator('button').all()) {
    await button.click();
    found[await button.innerText()] = { tables: await tablesOf(part), shapes: await part.locator('svg path').count() };
  }
  return found;
}

await open(1280, 'light');
seen.files = await section.locator('h3').allInnerTexts();
seen.banners = await section.locator('.banner strong').allInnerTexts();
seen.verdicts = await section.locator('.verdicts li').allInnerTexts();
seen.tests = await section.locator('[data-test]').evaluateAll((all) => all.map((one) => one.dataset.test));
seen.charts = await section.locator('.chart svg').count();
seen.text = await section.innerText();
for (const test of ['circuit', 'prune']) {
  const part = section.locator(`[data-test="${test}"]`);
  if (await part.count()) seen.answers[test] = await answers(part.first());
}
for (const width of [1280, 400]) {
  for (const scheme of ['light', 'dark']) {
    await open(width, scheme);
    seen.widths[`${width} ${scheme}`] = await tab.evaluate(() => document.documentElement.scrollWidth);
    if (!screenshots) continue;
    await tab.addStyleTag({ content: 'nav { position: static !important; }' });
    await section.screenshot({ path: join(screenshots, `evaluation-${width}-${scheme}.png`) });
  }
}
await browser.close();
console.log(JSON.stringify(seen));
