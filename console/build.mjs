// Bundles the console: `node build.mjs [--modules DIR] [--out DIR] [--table FILE.cpp --bytes FILE.S]`.
// DIR of --modules has node_modules. With --table and --bytes it also writes what puts the files into the server: their bytes for the assembler, and
// the table http::static_files reads.
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, extname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { gzipSync } from 'node:zlib';

const here = dirname(fileURLToPath(import.meta.url));
const { values: options } = parseArgs({ options: { modules: { type: 'string', default: here }, out: { type: 'string', default: join(here, 'dist') }, table: { type: 'string' }, bytes: { type: 'string' } } });
const modules = resolve(options.modules), out = resolve(options.out);
const source = join(here, 'src');
// Modules are where the build has them, which is not beside this file.
const esbuild = createRequire(join(modules, 'package.json'))('esbuild');

const result = await esbuild.build({
  absWorkingDir: here,
  entryPoints: [join(source, 'app.js'), join(source, 'style.css')],
  bundle: true, splitting: true, format: 'esm', minify: true, target: ['es2022', 'chrome110', 'firefox115', 'safari16'], charset: 'utf8', legalComments: 'none',
  nodePaths: [join(modules, 'node_modules')],
  outdir: out, entryNames: '[name]-[hash]', chunkNames: '[name]-[hash]',
  metafile: true, write: false, logLevel: 'warning',
});

const hash = (bytes) => createHash('sha256').update(bytes).digest('hex').slice(0, 20);
const types = { '.js': 'text/javascript; charset=utf-8', '.css': 'text/css; charset=utf-8', '.svg': 'image/svg+xml', '.html': 'text/html; charset=utf-8', '.txt': 'text/plain; charset=utf-8' };
const base = '/console/';

/** @type {{name: string, path: string, immutable: boolean, bytes: Buffer}[]} */
const files = result.outputFiles.map((f) => ({ name: basename(f.path), path: base + basename(f.path), immutable: true, bytes: Buffer.from(f.contents) }));
const icon = readFileSync(join(source, 'icon.svg'));
files.push({ name: `icon-${hash(icon).slice(0, 8)}.svg`, path: `${base}icon-${hash(icon).slice(0, 8)}.svg`, immutable: true, bytes: icon });
const named = (name) => files.find((f) => f.name.startsWith(name.slice(0, name.lastIndexOf('.')) + '-') && f.name.endsWith(extname(name)))?.path;
const html = readFileSync(join(source, 'index.html'), 'utf8').replace(/\{([\w.]+)\}/g, (_, name) => named(name) ?? (() => { throw new Error(`index.html names ${name}, which is not there`); })());
files.push({ name: 'index.html', path: '/', immutable: false, bytes: Buffer.from(html) });
// What the bundle contains of others goes with their terms.
const bundled = new Set(Object.keys(result.metafile.inputs).flatMap((path) => /node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path)?.slice(1) ?? []));
bundled.add('events').add('es6-promise'); // inside of mpegts.js as it is published
let terms = 'This console contains:\n';
for (const name of [...bundled].sort()) {
  const folder = join(modules, 'node_modules', name);
  const { version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  const file = readdirSync(folder).find((f) => /^licen[cs]e/i.test(f));
  if (!file) throw new Error(`${name} has no licence file`);
  terms += `\n${'-'.repeat(80)}\n${name} ${version}, ${license}\n\n${readFileSync(join(folder, file), 'utf8').trim()}\n`;
}
files.push({ name: 'licences.txt', path: `${base}licences.txt`, immutable: false, bytes: Buffer.from(terms) });

rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });
for (const f of files) {
  f.packed = gzipSync(f.bytes, { level: 9 });
  if (f.packed.length >= f.bytes.length * 0.9) f.packed = undefined;
  writeFileSync(join(out, f.name), f.bytes);
  if (f.packed) writeFileSync(join(out, f.name + '.gz'), f.packed);
}

if (options.table && options.bytes) {
  const text = (s) => JSON.stringify(s);
  let assembler = '.section .rodata\n', names = '', rows = '';
  files.forEach((f, index) => {
    const put = (symbol, file, size) => {
      assembler += `.global ${symbol}\n.balign 16\n${symbol}:\n.incbin ${text(join(out, file))}\n`;
      names += `extern const std::uint8_t ${symbol}[];\n`;
      return `{${symbol}, ${size}}`;
    };
    const plain = put(`millrace_console_${index}`, f.name, f.bytes.length);
    const packed = f.packed ? put(`millrace_console_${index}_gz`, f.name + '.gz', f.packed.length) : '{}';
    rows += `    {${text(f.path)}, ${text(types[extname(f.name)])}, ${text(hash(f.bytes))}, ${f.immutable}, ${plain}, ${packed}},\n`;
  });
  assembler += '.section .note.GNU-stack,"",%progbits\n';
  writeFileSync(options.bytes, assembler);
  writeFileSync(options.table, `// Made by console/build.mjs.
#include <array>
#include <cstdint>

#include "http/static_files.hpp"

extern "C" {
${names}}

namespace millrace::server {
namespace {
constexpr std::array<http::static_file, ${files.length}> all{{
${rows}}};
}  // namespace
extern const std::span<const http::static_file> console_files;
constinit const std::span<const http::static_file> console_files = all;
}  // namespace millrace::server
`);
}
const sum = (list) => list.reduce((all, n) => all + n, 0);
console.log(`console: ${files.length} files, ${Math.round(sum(files.map((f) => f.bytes.length)) / 1000)} kB, ${Math.round(sum(files.map((f) => (f.packed ?? f.bytes).length)) / 1000)} kB compressed`);
