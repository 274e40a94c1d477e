// Runs the groups of scripts/dashboard.sh one after the other, and prints one line for each check.

import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { Checks } from './checks.mjs'
import { Browser } from './chromium.mjs'
import { Stage } from './stage.mjs'

// Each with the file that has it, and whether it needs a browser.
const GROUPS = {
  raw: { file: './raw.mjs', browser: false },
  node: { file: './node.mjs', browser: true },
  views: { file: './views.mjs', browser: true },
  tracker: { file: './tracker.mjs', browser: true },
  safety: { file: './safety.mjs', browser: true },
}

const HELP = `scripts/dashboard.sh [--only GROUP] .. [--shots DIR] [--docs] [--cost] [--keep] [--require-all]

  --only GROUP    this group; repeatable: ${Object.keys(GROUPS).join(', ')}
  --shots DIR     where the screenshots go (a temporary folder, whose path is printed)
  --docs          make the pictures of docs/dashboard.md, and check nothing
  --cost          measure what an open page costs a node with 200 peers, and check nothing
  --keep          keep the logs, and say where
  --require-all   skipped checks are failures`

function asked () {
  try {
    return parseArgs({
      options: {
        only: { type: 'string', multiple: true },
        shots: { type: 'string' },
        docs: { type: 'boolean' },
        cost: { type: 'boolean' },
        keep: { type: 'boolean' },
        'require-all': { type: 'boolean' },
        binaries: { type: 'string', default: 'target/release' },
        modules: { type: 'string' },
        chromium: { type: 'string' },
        help: { type: 'boolean', short: 'h' }
      }
    }).values
  } catch (error) {
    console.error(`${error.message}\n${HELP}`)
    process.exit(2)
  }
}

async function main () {
  const options = asked()
  if (options.help) return console.log(HELP)
  const unknown = options.only?.find((name) => !GROUPS[name])
  if (unknown) {
    console.error(`no group is called ${unknown}\n${HELP}`)
    process.exit(2)
  }
  for (const program of ['peer', 'tracker']) {
    if (!fs.existsSync(path.join(options.binaries, program))) {
      console.error(`${options.binaries}/${program} is not there: BINARIES must name its folder`)
      process.exit(2)
    }
  }
  process.exitCode = await played(options)
}

// Plays what was asked for; the exit status.
async function played (options) {
  const stage = new Stage(options.binaries)
  const checks = new Checks()
  const begun = performance.now()
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(130))
  try {
    const world = { stage, checks, options, shots: options.shots ?? fs.mkdtempSync(path.join(os.tmpdir(), 'swarmlet-shots-')) }
    fs.mkdirSync(world.shots, { recursive: true })
    if (options.cost) return await aside('./cost.mjs', 'measure', world)
    if (options.docs) return await aside('./docs.mjs', 'draw', world, 'docs/dashboard')
    for (const name of options.only ?? Object.keys(GROUPS)) await group(name, world)
    console.log(`screenshots are in ${world.shots}`)
  } finally {
    await stage.close()
    if (options.keep) console.error(`kept: ${stage.folder}`)
    else fs.rmSync(stage.folder, { recursive: true, force: true })
  }
  console.log(`took ${((performance.now() - begun) / 1000).toFixed(0)} s`)
  console.log(checks.summary())
  return checks.failed.length || (options['require-all'] && checks.skipped.length) ? 1 : 0
}

async function group (name, world) {
  const { checks, stage } = world
  const failures = checks.failed.length
  const check = (what, does) => checks.check(`${name}: ${what}`, does)
  try {
    if (GROUPS[name].browser && !await withBrowser(world)) return checks.skip(name, world.lacks)
    const { play } = await import(GROUPS[name].file)
    await play(check, world)
  } catch (error) {
    checks.fail(`${name}: the rest`, error)
  }
  if (checks.failed.length > failures) console.log(stage.tails())
  await Promise.all([...stage.programs].map((program) => program.stop()))
}

// Does something else than checking; the exit status.
async function aside (file, does, world, ...more) {
  if (!await withBrowser(world)) {
    console.error(`nothing is done: it ${world.lacks}`)
    return 1
  }
  await (await import(file))[does](world, ...more)
  return 0
}

// Starts the browser before the first group that needs it; whether there is one.
async function withBrowser (world) {
  const { options, stage } = world
  const lacks = [!options.chromium && 'chromium', !options.modules && 'playwright-core and axe-core'].filter(Boolean)
  world.lacks = `needs ${lacks.join(', ')}`
  if (lacks.length) return false
  world.browser ??= await Browser.launch({ ...options, stage, shots: world.shots })
  return true
}

await main()
