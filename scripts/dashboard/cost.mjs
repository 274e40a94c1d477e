// What an open page costs a node: its processor time with the page open, minus without, at 200
// peers and 10,000 pieces.

import fs from 'node:fs'
import { holds, until } from './checks.mjs'
import { NodePage } from './nodepage.mjs'
import { Peer } from './strangers.mjs'
import { DOWNLOADING, Node, makeTorrent, startTracker } from './swarm.mjs'

const PEERS = 200
const PIECES = 10_000
const PIECE = 16 << 10
const SECS = 20
const WAVE = 20 // a node takes 64 strangers at a time who have not said who they are

export async function measure ({ stage, browser }) {
  const tracker = await startTracker(stage, 'cost-tracker', [])
  const seeder = await Node.start(stage, 'cost-seeder', tracker.at, ['--uplimit', '400'])
  const content = stage.file('lecture.mp4', PIECES * PIECE, seeder.downloads)
  const { file, facts } = await makeTorrent(stage, content, ['-s', String(PIECE / 1024), '-t', tracker.at])
  await seeder.add(file)
  const node = await Node.start(stage, 'cost', tracker.at, ['--max-peers', '300', '--max-peers-per-torrent', '300'])
  const id = await node.add(file)
  await node.wait(id, 'it takes callers', 30, ['status'], (row) => row.status === DOWNLOADING)
  const peers = await strangers(stage, node, Buffer.from(facts.info_hash_v1, 'hex'))
  await node.wait(id, `${PEERS} peers and a seeder`, 60, ['peersConnected', 'rateDownload'], (row) =>
    row.peersConnected > PEERS && row.rateDownload > 0)
  const closed = [await share(node)]
  const view = await NodePage.open(browser, node)
  await view.choose(id)
  const open = {}
  for (const panel of ['pieces', 'peers', 'choking', 'log']) {
    await view.panel(panel)
    await view.states(2)
    open[panel] = await share(node)
  }
  await view.tab.close()
  closed.push(await share(node))
  const there = await node.torrent(id, ['peersConnected', 'pieceCount', 'percentDone'])
  holds(there.peersConnected > PEERS && there.percentDone < 1, `the swarm did not last: ${JSON.stringify(there)}`)
  peers.forEach((peer) => peer.close())
  const usual = closed.reduce((sum, one) => sum + one) / closed.length
  console.log(`${there.peersConnected} peers, ${there.pieceCount} pieces, ${SECS} s each; percent of a core`)
  console.log(`  no page   ${closed.map((one) => one.toFixed(2)).join(' before, ')} after`)
  for (const [panel, one] of Object.entries(open)) {
    console.log(`  ${panel.padEnd(9)} ${one.toFixed(2)}, which is ${(one - usual).toFixed(2)} more`)
  }
}

// Peers that have a part each, say so, get a piece now and then, and want what the node has.
async function strangers (stage, node, hash) {
  const peers = []
  while (peers.length < PEERS) {
    const wave = Array.from({ length: WAVE }, (_, at) => {
      const number = peers.length + at
      return new Peer({
        port: node.port, hash, pieces: PIECES, client: `Stranger ${number}`, from: `127.0.1.${number + 1}`,
        has: (piece) => (piece * 7919 + number) % 5 < 2
      })
    })
    await Promise.all(wave.map((peer) => peer.heard))
    peers.push(...wave)
  }
  const speak = setInterval(() => {
    for (const peer of peers) if (!peer.ended) peer.have(Math.floor(Math.random() * PIECES))
  }, 1000)
  stage.also(() => clearInterval(speak))
  return peers
}

// Percent of a core that a process takes over some seconds.
async function share (node) {
  const ticks = () => {
    const fields = fs.readFileSync(`/proc/${node.program.pid}/stat`, 'utf8').replace(/^.*\) /, '').split(' ')
    return Number(fields[11]) + Number(fields[12]) // of a hundredth of a second
  }
  const [begun, before] = [performance.now(), ticks()]
  await until('the time is over', SECS + 5, () => performance.now() - begun >= SECS * 1000)
  return (ticks() - before) / ((performance.now() - begun) / 1000)
}
