// HTTP by hand, byte for byte as it stands there: no client tidies a path up on the way.

import net from 'node:net'

// Sends bytes; resolves with all that came until the other side ended, or the time was over.
export function exchange (at, bytes, seconds = 5) {
  const [host, port] = at.split(':')
  return new Promise((resolve) => {
    const parts = []
    const socket = net.connect(Number(port), host)
    const done = (how) => {
      clearTimeout(timer)
      socket.destroy()
      resolve({ how, bytes: Buffer.concat(parts) })
    }
    const timer = setTimeout(() => done('silence'), seconds * 1000)
    socket.on('data', (part) => parts.push(part))
    socket.on('error', () => done('error')).on('end', () => done('end'))
    socket.write(bytes)
  })
}

// One GET of a path as it is, spaces and controls and all; status and the whole answer.
export async function get (at, path, headers = []) {
  const head = Buffer.concat([
    Buffer.from('GET '), Buffer.isBuffer(path) ? path : Buffer.from(path, 'latin1'),
    Buffer.from([' HTTP/1.1', `Host: ${at}`, ...headers, 'Connection: close', '', ''].join('\r\n'))
  ])
  const { how, bytes } = await exchange(at, head)
  const status = Number(bytes.toString('latin1').match(/^HTTP\/1\.1 (\d{3})/)?.[1] ?? 0)
  return { how, status, bytes }
}

// Connects and sends so many bytes at a time, one part each `everyMs`, until the other side ends
// it; resolves with the seconds that took and what was answered, or after `seconds`.
export function drip (at, opening, everyMs, seconds) {
  const [host, port] = at.split(':')
  return new Promise((resolve) => {
    const begun = performance.now()
    const parts = []
    const socket = net.connect(Number(port), host)
    const done = (ended) => {
      clearInterval(drops)
      clearTimeout(timer)
      socket.destroy()
      resolve({ ended, seconds: (performance.now() - begun) / 1000, answer: Buffer.concat(parts).toString('latin1') })
    }
    const timer = setTimeout(() => done(false), seconds * 1000)
    const drops = setInterval(() => socket.write('x'), everyMs)
    socket.on('data', (part) => parts.push(part))
    socket.on('error', () => done(true)).on('end', () => done(true)).on('close', () => done(true))
    socket.write(opening)
  })
}

// Opens a connection that asks for something and never reads the answer.
export function watcher (at, path) {
  const [host, port] = at.split(':')
  const socket = net.connect(Number(port), host)
  socket.on('error', () => {}).pause()
  socket.write(`GET ${path} HTTP/1.1\r\nHost: ${at}\r\nAccept: text/event-stream\r\n\r\n`)
  return socket
}
