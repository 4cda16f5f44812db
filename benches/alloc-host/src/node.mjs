// Runs the traces of the plan on standard input; writes a line each: trace, guest, median ratio of time to std's, nanoseconds, pages.
import { readFileSync } from 'node:fs';

const [repetitions, ...plan] = readFileSync(0, 'utf8').trim().split('\n').map((line) => line.split('\t'));
const guests = plan.filter(([kind]) => kind === 'guest').map(([, name, path]) => ({ name, module: new WebAssembly.Module(readFileSync(path)) }));
const traces = plan.filter(([kind]) => kind === 'trace');

function start({ module }) {
  const imports = {};
  for (const { module: from, name } of WebAssembly.Module.imports(module)) (imports[from] ??= {})[name] = () => 0;
  const { exports } = new WebAssembly.Instance(module, imports);
  exports._initialize?.();
  const pages = () => exports.memory.buffer.byteLength / 65536;
  const first = pages();
  return { exports, pages: () => pages() - first };
}

// CPU time of the process in microseconds: nothing else runs in it once the modules are compiled.
function time(f) {
  const before = process.cpuUsage();
  f();
  const { user, system } = process.cpuUsage(before);
  return user + system;
}

const median = (values) => values.sort((a, b) => a - b)[values.length >> 1];

for (const [, title, name, list, count, skipped = ''] of traces) {
  const numbers = list.split(',').map(Number);
  for (const guest of guests) {
    if (skipped.split(',').includes(guest.name)) continue;
    const [std, own] = [start(guests[0]), start(guest)];
    const ratios = [];
    const times = [];
    // The first two warm up.
    for (let repetition = -2; repetition < Number(repetitions[0]); repetition += 1) {
      const base = time(() => std.exports[name](...numbers));
      const spent = time(() => own.exports[name](...numbers));
      if (repetition >= 0) {
        ratios.push(spent / base);
        times.push((spent * 1000) / Number(count));
      }
    }
    console.log([title, guest.name, median(ratios).toFixed(2), median(times).toFixed(1), own.pages()].join('\t'));
  }
}
