// Bundle the page into one HTML document and write it as C, cut where the numbers go.
// Usage: node build.mjs FOLDER REPORT_PAGE.C      FOLDER has the packages of package-lock.json in node_modules
import { createRequire } from 'node:module';
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const [folder, output] = process.argv.slice(2).map((path) => resolve(path));
const { buildSync } = createRequire(join(folder, 'package.json'))('esbuild');

function bundle(entry, loader) {
  const result = buildSync({
    entryPoints: [join(here, entry)], bundle: true, minify: true, write: false, charset: 'ascii', target: 'es2020',
    format: loader === 'js' ? 'iife' : undefined, nodePaths: [join(folder, 'node_modules')], legalComments: 'inline',
    logLevel: 'warning',
  });
  return result.outputFiles[0].text;
}

// A closing tag inside of a script or a style would end it.
const script = bundle('main.js', 'js').replace(/<\/(script)/gi, '<\\/$1').replace(/<!--/g, '<\\!--');
const style = bundle('page.css', 'css').replace(/<\/(style)/gi, '<\\/$1');
const template = readFileSync(join(here, 'page.html'), 'utf8');
const page = template.replace('/* STYLE */', () => style).replace('/* SCRIPT */', () => script);
const [head, tail] = page.split('<!-- DATA -->');

function array(name, text) {
  const bytes = Buffer.from(text, 'utf8');
  const lines = [];
  for (let i = 0; i < bytes.length; i += 32) lines.push(Array.from(bytes.subarray(i, i + 32)).join(','));
  return `const unsigned char report_page_${name}[] = {\n${lines.join(',\n')}};\n`
    + `const size_t report_page_n${name} = sizeof report_page_${name};\n`;
}

writeFileSync(output, `/* Written by pipeline/analysis/page/build.mjs. */\n#include "pipeline/analysis/report_page.h"\n\n${array('head', head)}\n${array('tail', tail)}`);
