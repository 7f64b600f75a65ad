// Times the import of the modules named in argv, in a process that has loaded nothing else.
const from = performance.now();
for (const specifier of process.argv.slice(2)) await import(specifier);
process.send(performance.now() - from);
