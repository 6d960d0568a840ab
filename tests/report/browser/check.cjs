// Looks at pages in Chromium, at two sizes, in light and in dark: node check.cjs CHROMIUM PAGE...
// Prints a line of JSON for each: what axe finds, what is asked for, and whether the page is wider than the screen.
const fs = require("node:fs");
const { pathToFileURL } = require("node:url");
const puppeteer = require("puppeteer-core");

const axe = fs.readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
const SIZES = [{ width: 390, height: 844 }, { width: 1280, height: 900 }];

async function look(browser, file, size, scheme) {
  const page = await browser.newPage();
  const said = [];
  const asked = [];
  page.on("console", (message) => said.push(message.text()));
  page.on("pageerror", (error) => said.push(String(error)));
  page.on("request", (request) => asked.push(request.url()));
  await page.setViewport(size);
  await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
  const url = pathToFileURL(file).href;
  await page.goto(url);
  const seen = await page.evaluate(() => ({
    wide: document.documentElement.scrollWidth,
    back: getComputedStyle(document.body).backgroundColor,
    smallest: Math.min(...[...document.querySelectorAll("svg text")].map((text) => parseFloat(getComputedStyle(text).fontSize))),
    elements: [...new Set([...document.querySelectorAll("*")].map((each) => each.localName))].sort(),
  }));
  if (process.env.SCREENSHOTS) {
    const name = `${process.env.SCREENSHOTS}/${size.width}-${scheme}.png`;
    await page.screenshot({ path: name, fullPage: true });
  }
  await page.evaluate(axe);
  const found = await page.evaluate(() => axe.run());
  const violations = found.violations.map((each) => `${each.id}: ${each.nodes[0].html.slice(0, 200)}`);
  await page.close();
  return { file, ...size, scheme, ...seen, violations, said, asked: asked.filter((each) => each !== url) };
}

async function main([chromium, ...files]) {
  const browser = await puppeteer.launch({ executablePath: chromium, args: ["--no-sandbox"] });
  try {
    for (const file of files) {
      for (const size of SIZES) {
        for (const scheme of ["light", "dark"]) {
          console.log(JSON.stringify(await look(browser, file, size, scheme)));
        }
      }
    }
  } finally {
    await browser.close();
  }
}

main(process.argv.slice(2)).catch((error) => {
  console.error(error);
  process.exit(1);
});
