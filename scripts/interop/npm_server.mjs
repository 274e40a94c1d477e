// npm_server.mjs FOLDER ADDRESS PORT: the npm bittorrent-tracker server on HTTP and UDP, which prints
// every announce as a JSON line. FOLDER is where the package was installed.
import path from 'node:path'
import { pathToFileURL } from 'node:url'

const [folder, address, port] = process.argv.slice(2)
const entry = path.join(folder, 'node_modules/bittorrent-tracker/index.js')
const { Server } = await import(pathToFileURL(entry))
const isV6 = address.includes(':')
const server = new Server({ udp: true, http: true, ws: false, stats: false })
const say = (line) => process.stdout.write(JSON.stringify(line) + '\n')

server.on('error', (error) => { say({ event: 'error', message: error.message }); process.exit(1) })
server.on('warning', (error) => say({ event: 'warning', message: error.message }))
for (const event of ['start', 'update', 'complete', 'stop']) {
  server.on(event, (peer, params = {}) => say({
    event,
    peer,
    type: params.type,
    info_hash: params.info_hash,
    peer_id: params.peer_id,
    left: params.left,
    uploaded: params.uploaded,
    downloaded: params.downloaded,
    compact: params.compact,
    numwant: params.numwant
  }))
}
// It always opens a UDP socket of both families.
server.listen(Number(port), {
  http: address,
  udp: isV6 ? '127.0.0.1' : address,
  udp6: isV6 ? address : '::1'
})
