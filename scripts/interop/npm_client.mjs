// npm_client.mjs FOLDER ANNOUNCE-URL HASH HASH: the npm bittorrent-tracker client goes through the life
// of three peers and prints what the tracker answered at each step as a JSON line. FOLDER is where
// the package was installed. Ends with 1 at the first warning, error or silence.
import path from 'node:path'
import { pathToFileURL } from 'node:url'

const [folder, url, one, two] = process.argv.slice(2)
const entry = path.join(folder, 'node_modules/bittorrent-tracker/index.js')
const { Client } = await import(pathToFileURL(entry))
const PATIENCE_MS = 8000

const give = (step, facts) => process.stdout.write(JSON.stringify({ step, ...facts }) + '\n')
const fail = (step, error) => {
  give(step, { error: String(error.message ?? error) })
  process.exit(1)
}
const peer = (letter, port, infoHash) => new Client({
  infoHash, announce: url, port, peerId: Buffer.from('-XX0001-' + letter.repeat(12))
})

// One request of a client, until its event has come; peers are emitted right behind an update.
const asked = (step, client, event, ask) => new Promise((resolve) => {
  const peers = []
  const wrong = (error) => fail(step, error)
  const timer = setTimeout(() => fail(step, 'no answer'), PATIENCE_MS)
  const heard = (address) => peers.push(address)
  client.on('peer', heard).once('warning', wrong).once('error', wrong)
  client.once(event, (answer) => setTimeout(() => {
    clearTimeout(timer)
    client.removeListener('peer', heard).removeListener('warning', wrong).removeListener('error', wrong)
    const { complete, incomplete, downloaded, interval } = answer
    give(step, { complete, incomplete, downloaded, interval, peers: peers.sort() })
    resolve()
  }, 100))
  ask(client)
})

const a = peer('a', 7001, one)
const b = peer('b', 7002, one)
const c = peer('c', 7003, one)
const d = peer('d', 7004, two)
await asked('a starts', a, 'update', (x) => x.start({ left: 100 }))
await asked('b starts', b, 'update', (x) => x.start({ left: 0 }))
await asked('c starts', c, 'update', (x) => x.start({ left: 50, numwant: 1 }))
await asked('d starts', d, 'update', (x) => x.start({ left: 7 }))
await asked('a updates', a, 'update', (x) => x.update({ left: 60, downloaded: 40 }))
await asked('a updates, compact=0', a, 'update', (x) => x.update({ left: 60, compact: 0 }))
await asked('a updates, compact=1', a, 'update', (x) => x.update({ left: 60, compact: 1 }))
await asked('scrape', a, 'scrape', (x) => x.scrape())
await asked('a completes', a, 'update', (x) => x.complete({ left: 0, downloaded: 100 }))
await asked('b stops', b, 'update', (x) => x.stop({ left: 0 }))
await asked('scrape after', a, 'scrape', (x) => x.scrape())
const both = [one, two].map((hash) => Buffer.from(hash, 'hex'))
await new Promise((resolve) => Client.scrape({ infoHash: both, announce: url }, (error, all) => {
  if (error) fail('multi-scrape', error)
  give('multi-scrape', { [one]: all[one], [two]: all[two] })
  resolve()
}))
process.exit(0)
