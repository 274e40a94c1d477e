// Where the checks play: a folder, and processes that all end with it, each by its own id.

import { spawn } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { Failed, until } from './checks.mjs'

const TAIL_LINES = 25

export class Stage {
  constructor (binaries, folder) {
    this.binaries = path.resolve(binaries)
    this.folder = folder
    fs.mkdirSync(folder, { recursive: true })
    this.programs = new Set()
    this.closers = []
  }

  // A folder that is there.
  at (...names) {
    const folder = path.join(this.folder, ...names)
    fs.mkdirSync(folder, { recursive: true })
    return folder
  }

  // A file of so many bytes that no two runs share.
  file (name, bytes, folder = this.at('content')) {
    const where = path.join(folder, name)
    fs.mkdirSync(path.dirname(where), { recursive: true })
    const part = Buffer.alloc(Math.min(bytes, 1 << 16))
    for (let at = 0; at < part.length; at++) part[at] = Math.random() * 256
    const out = fs.openSync(where, 'w')
    for (let at = 0; at < bytes; at += part.length) {
      part.writeUInt32BE(at >>> 0, 0) // no two pieces are alike
      fs.writeSync(out, part, 0, Math.min(part.length, bytes - at))
    }
    fs.closeSync(out)
    return where
  }

  // Starts one of our programs, with a log of its own.
  run (name, program, words) {
    const started = new Program(this, name, path.join(this.binaries, program), words.map(String))
    this.programs.add(started)
    return started
  }

  // Runs one of our programs to its end; what it printed.
  async call (program, words) {
    const name = `call-${program}-${this.programs.size}-${Math.random().toString(36).slice(2)}`
    const run = this.run(name, program, words)
    await until(`${program} ${words[0]} has ended`, 20, () => run.ended)
    this.programs.delete(run)
    if (run.child.exitCode !== 0) throw new Error(`${program} ${words.join(' ')}: ${run.said()}`)
    return run.said()
  }

  // Something else to be closed at the end: a server, a socket.
  also (close) {
    this.closers.push(close)
  }

  async close () {
    for (const close of this.closers.splice(0).reverse()) await close()
    await Promise.all([...this.programs].map((program) => program.stop()))
  }

  // Ends everything at once, when there is no time to ask.
  kill () {
    for (const program of this.programs) program.end('SIGKILL')
  }

  // The last lines that each program said.
  tails () {
    return [...this.programs].map((program) => {
      const lines = program.said().trimEnd().split('\n').slice(-TAIL_LINES)
      return `--- ${program.name}: ${program.words.join(' ')}\n${lines.join('\n')}`
    }).join('\n')
  }
}

class Program {
  constructor (stage, name, file, words) {
    Object.assign(this, { stage, name, words, log: path.join(stage.folder, `${name}.log`) })
    const log = fs.openSync(this.log, 'a')
    const env = { PATH: process.env.PATH, HOME: stage.at('home'), LC_ALL: 'C.UTF-8', TZ: 'UTC', no_proxy: '*' }
    this.child = spawn(file, words, { stdio: ['ignore', log, log], env, cwd: stage.folder })
    fs.closeSync(log)
    this.gone = new Promise((resolve) => this.child.once('close', resolve).once('error', resolve))
    this.gone.then(() => { this.ended = true })
    this.ended = false
  }

  get pid () {
    return this.child.pid
  }

  // Everything that it printed so far.
  said () {
    return fs.readFileSync(this.log, 'utf8')
  }

  // Waits until it has printed something; the match.
  async says (pattern, seconds = 20) {
    return await until(`${this.name} says ${pattern}`, seconds, () => {
      const found = this.said().match(pattern)
      if (!found && this.ended) throw new Failed(`${this.name} has ended: ${this.said().slice(-500)}`)
      return found
    }, () => this.said().slice(-500))
  }

  end (signal) {
    if (!this.ended) this.child.kill(signal)
  }

  // Asks it to end, then insists.
  async stop () {
    this.end('SIGTERM')
    const late = setTimeout(() => this.end('SIGKILL'), 5000)
    await this.gone
    clearTimeout(late)
    this.stage.programs.delete(this)
  }
}
