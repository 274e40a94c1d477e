// The pictures of docs/dashboard.md: the pages of a real swarm, made small.

import fs from 'node:fs'
import path from 'node:path'
import { holds, until } from './checks.mjs'
import { DESK, PHONE } from './chromium.mjs'
import { NodePage, VERIFIED } from './nodepage.mjs'
import { show as labShow } from './lab.mjs'
import { shrunk } from './png.mjs'
import { drawing, openTraces } from './tracker.mjs'
import { exhibition } from './views.mjs'

const MOST_BYTES = 80_000

// Takes each picture and writes it into the folder.
export async function draw ({ stage, browser }, folder) {
  const show = await exhibition(stage, 'docs', 90)
  const keep = async (tab, name) => {
    const bytes = shrunk(fs.readFileSync(await tab.shot(name)))
    holds(bytes.length <= MOST_BYTES, `${name}.png has ${bytes.length} bytes`)
    fs.writeFileSync(path.join(folder, `${name}.png`), bytes)
    console.log(`${folder}/${name}.png: ${bytes.length} bytes`)
  }
  const view = await NodePage.open(browser, show.node, { viewport: DESK })
  await view.choose(show.id)
  await view.panel('pieces')
  await view.page.selectOption('#layer', 'source')
  await until('a third is there', 60, async () => (await show.node.torrent(show.id, ['percentDone'])).percentDone > 0.35)
  await view.states(1)
  await keep(view.tab, 'pieces')
  for (const panel of ['peers', 'choking', 'graphs', 'log']) {
    await view.panel(panel)
    await view.states(2)
    await keep(view.tab, panel)
  }
  await view.tab.close()
  const phone = await NodePage.open(browser, show.node, { viewport: PHONE, dark: true })
  await phone.choose(show.id)
  await until('the map is there', 10, async () => (await phone.legend())[VERIFIED] > 0)
  await phone.states(1)
  await keep(phone.tab, 'phone')
  await phone.tab.close()
  const swarm = await drawing(browser, show, { viewport: DESK })
  await swarm.drawn()
  await keep(swarm, 'swarm')
  await openTraces(swarm, show.traces)
  await swarm.page.fill('#time', '12')
  await swarm.drawn()
  await keep(swarm, 'replay')
  await swarm.close()
  const lab = await labShow(stage, browser, { viewport: DESK })
  await keep(lab, 'lab')
  await lab.close()
}
