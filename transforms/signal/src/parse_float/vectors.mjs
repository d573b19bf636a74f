// Writes vectors.json: texts, and what JavaScript's own parseFloat makes of them.
//   node vectors.mjs > vectors.json
const spaces = [
  "", " ", "  ", "\t", "\n", "\r", "\v", "\f", "\u00a0", "\u1680", "\u2000", "\u200a", "\u2028",
  "\u2029", "\u202f", "\u205f", "\u3000", "\ufeff", "\u0085", "\u180e", "\u200b", "\0", "_",
];
const signs = ["", "-", "+", "--", "+-", "-+", "- ", "\u2212"];
const bodies = [
  "", "0", "00", "3", "03", "007", ".5", ".", ".e1", "5.", "1.5", "1..5", "1.5.5", "0.0", ".0",
  "0x10", "0b1", "1_000", "1,5", "1e5", "1E5", "1e", "1e+", "1e-", "1e+5", "1e-5", "1e 5", "1e1.5",
  ".5e1", "5.e1", "1e400", "1e-400", "4e-324", "2e-324", "3e-324", "1e99999999999999999999",
  "1e-99999999999999999999", "1e0000000000001", "Infinity", "Infinityx", "Infinit", "infinity",
  "INFINITY", "Infinity5", "inf", "NaN", "nan", "2x", "2 3", "abc", "x2", "e5", "5n", "5f",
  "\u0663", "\uff13", "3\u00a0", "99999999999999999999999", "0.1", "123456789.123456789", "1\ud83d\ude00",
];
const texts = new Set();
for (const body of bodies) for (const sign of signs) texts.add(sign + body);
for (const space of spaces) for (const rest of ["3", "-3", "-.5", "-Infinity", ""]) texts.add(space + rest);
for (const rest of ["3", "-3"]) for (const space of spaces) texts.add("-" + space + rest);
const written = (number) => (Object.is(number, -0) ? "-0" : String(number));
const rows = [...texts].map((text) => `  ${JSON.stringify([text, written(parseFloat(text))])}`);
console.log(`[\n${rows.join(",\n")}\n]`);
