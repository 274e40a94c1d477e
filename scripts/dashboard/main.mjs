// Runs the groups of scripts/dashboard.sh, two at once, and prints one line for each check.

import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { Checks } from './checks.mjs'
import { Browser } from './chromium.mjs'
import { Stage } from './stage.mjs'

// Each with the file that has it, and whether it needs a browser. Long ones first.
const GROUPS = {
  views: { file: './views.mjs', browser: true },
  tracker: { file: './tracker.mjs', browser: true },
  node: { file: './node.mjs', browser: true },
  lab: { file: './lab.mjs', browser: true },
  safety: { file: './safety.mjs', browser: true },
  raw: { file: './raw.mjs', browser: false }
}

const HELP = `scripts/dashboard.sh [--only GROUP] .. [--shots DIR] [--docs] [--cost] [--jobs N] [--keep] [--require-all]

  --only GROUP    this group; repeatable: ${Object.keys(GROUPS).join(', ')}
  --shots DIR     where the screenshots go (a temporary folder, whose path is printed)
  --docs          make the pictures of docs/dashboard.md, and check nothing
  --cost          measure what an open page costs a node with 200 peers, and check nothing
  --jobs N        groups at once (2)
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
        jobs: { type: 'string', default: '2' },
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
  for (const program of ['peer', 'tracker', 'lab']) {
    if (!fs.existsSync(path.join(options.binaries, program))) {
      console.error(`${options.binaries}/${program} is not there: BINARIES must name its folder`)
      process.exit(2)
    }
  }
  process.exit(await played(options))
}

// Plays what was asked for; the exit status.
async function played (options) {
  const root = fs.mkdtempSync(path.join(os.tmpdir(), 'swarmlet-dashboard-'))
  const world = { options, root, stages: [], checks: new Checks(), lacks: lacks(options) }
  const begun = performance.now()
  // However it ends, no process and no file is left behind.
  process.on('exit', () => {
    world.stages.forEach((stage) => stage.kill())
    if (!options.keep) fs.rmSync(root, { recursive: true, force: true })
    if (world.shots && !fs.readdirSync(world.shots).length) fs.rmdirSync(world.shots)
  })
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(130))
  try {
    if (options.cost) return await aside('./cost.mjs', 'measure', world)
    if (options.docs) return await aside('./docs.mjs', 'draw', world, 'docs/dashboard')
    const left = [...(options.only ?? Object.keys(GROUPS))]
    const worker = async () => {
      for (let name = left.shift(); name; name = left.shift()) await group(name, world)
    }
    await Promise.all(Array.from({ length: Number(options.jobs) }, worker))
  } finally {
    for (const stage of world.stages) await stage.close()
    if (options.keep) console.error(`kept: ${root}`)
  }
  const { checks } = world
  if (world.shots && fs.readdirSync(world.shots).length) console.log(`screenshots are in ${world.shots}`)
  console.log(`took ${((performance.now() - begun) / 1000).toFixed(0)} s`)
  console.log(checks.summary())
  return checks.failed.length || (options['require-all'] && checks.skipped.length) ? 1 : 0
}

// What is not there that a browser needs, in words.
function lacks ({ chromium, modules }) {
  const missing = [!chromium && 'chromium', !modules && 'playwright-core and axe-core']
  return missing.filter(Boolean).join(', ')
}

// Plays one group on a stage of its own.
async function group (name, world) {
  const { checks } = world
  const { file, browser } = GROUPS[name]
  if (browser && world.lacks) return checks.skip(name, `needs ${world.lacks}`)
  const failures = checks.failed.length
  const stage = newStage(world, name)
  try {
    const { play } = await import(file)
    await play((what, does) => checks.check(`${name}: ${what}`, does), { stage, browser: browser && await theBrowser(world) })
  } catch (error) {
    checks.fail(`${name}: the rest`, error)
  }
  if (checks.failed.slice(failures).some((line) => line.startsWith(`${name}: `))) console.log(stage.tails())
  await stage.close()
}

function newStage (world, name) {
  const stage = new Stage(world.options.binaries, path.join(world.root, name))
  world.stages.push(stage)
  return stage
}

// The browser, started when it is needed first.
function theBrowser (world) {
  if (!world.browser) {
    world.shots = world.options.shots ?? fs.mkdtempSync(path.join(os.tmpdir(), 'swarmlet-shots-'))
    fs.mkdirSync(world.shots, { recursive: true })
    world.browser = Browser.launch({ ...world.options, stage: newStage(world, 'browser'), shots: world.shots })
  }
  return world.browser
}

// Does something else than checking; the exit status.
async function aside (file, does, world, ...more) {
  if (world.lacks) {
    console.error(`nothing is done: it needs ${world.lacks}`)
    return 1
  }
  const stage = newStage(world, does)
  await (await import(file))[does]({ stage, browser: await theBrowser(world) }, ...more)
  return 0
}

await main()
