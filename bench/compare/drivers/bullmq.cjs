// BullMQ: the programs of library.py and the bodies of bodies.py in JavaScript; it needs NODE_PATH.
// A job cannot be stopped from another process.
'use strict'
const fs = require('node:fs')
const readline = require('node:readline')
const { setTimeout: pause } = require('node:timers/promises')
const { Queue, Worker } = require('bullmq')

const { COMPARE_URL, COMPARE_TOLD = '/dev/null', COMPARE_JOBS = '0' } = process.env
const concurrency = Number(process.env.COMPARE_CONCURRENCY)
const { hostname, port } = new URL(COMPARE_URL)
const connection = { host: hostname, port: Number(port), maxRetriesPerRequest: null }
const CHUNK = 1000
const LONG = 3600 * 1000

const told = fs.openSync(COMPARE_TOLD, 'a')
const monotonic = () => Number(process.hrtime.bigint()) / 1e9
const tell = (event) => fs.writeSync(told, `${monotonic()} ${event}\n`)

let begun = 0
const begin = () => {
  begun += 1
  if (begun === 1) tell('first')
  if (begun === Number(COMPARE_JOBS)) tell('all')
}
const bodies = {
  noop: async () => begin(),
  stamp: async (number) => tell(`stamp ${number}`),
  sleep: async () => {
    begin()
    await pause(LONG)
  },
}

const work = () =>
  new Worker('compare', (job) => bodies[job.name](job.data.number), { connection, concurrency })

const orders = {
  async plain(queue, { count }) {
    const began = monotonic()
    for (let number = 0; number < count; number++) await queue.add('noop', {})
    return monotonic() - began
  },
  async bulk(queue, { count }, name = 'noop') {
    const began = monotonic()
    for (let first = 0; first < count; first += CHUNK) {
      const jobs = Array.from({ length: Math.min(CHUNK, count - first) }, () => ({ name, data: {} }))
      await queue.addBulk(jobs)
    }
    return monotonic() - began
  },
  async stamps(queue, { first, count, gap }) {
    const asked = []
    const began = monotonic()
    for (let number = 0; number < count; number++) {
      await pause(Math.max(0, 1000 * (began + number * gap - monotonic())))
      asked.push(monotonic())
      await queue.add('stamp', { number: first + number })
    }
    return asked
  },
  async sleepers(queue, order) {
    await orders.bulk(queue, order, 'sleep')
    return null
  },
}

const produce = async () => {
  const queue = new Queue('compare', { connection })
  await queue.waitUntilReady()
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const order = JSON.parse(line)
    console.log(JSON.stringify(await orders[order.do](queue, order)))
  }
  await queue.close()
}

if (process.argv[2] === 'work') work()
else produce()
