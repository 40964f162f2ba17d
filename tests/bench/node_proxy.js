// A reverse proxy that does nothing else: the yardstick of what a scripting language can do.
//
//     node node_proxy.js PORT UPSTREAM_PORT
//
// Connections are kept open on both sides, fields pass as they are, and bodies are piped in both directions.
"use strict";

const http = require("node:http");

const HOST = "127.0.0.1";
const [port, upstreamPort] = process.argv.slice(2).map(Number);
const agent = new http.Agent({ keepAlive: true, maxSockets: Infinity, maxFreeSockets: 256, noDelay: true });
// RFC 9110 7.6.1: these are of one connection alone.
const OF_ONE_CONNECTION = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "te",
  "transfer-encoding",
  "upgrade",
]);

/** Return the fields that are passed on, in the flat form of `rawHeaders`. */
function passedOn(rawHeaders) {
  const fields = [];
  for (let at = 0; at < rawHeaders.length; at += 2) {
    if (!OF_ONE_CONNECTION.has(rawHeaders[at].toLowerCase())) {
      fields.push(rawHeaders[at], rawHeaders[at + 1]);
    }
  }
  return fields;
}

function forward(request, response) {
  const outgoing = http.request({
    agent,
    host: HOST,
    port: upstreamPort,
    method: request.method,
    path: request.url,
    headers: passedOn(request.rawHeaders),
  });
  outgoing.on("response", (answer) => {
    response.writeHead(answer.statusCode, answer.statusMessage, passedOn(answer.rawHeaders));
    answer.pipe(response);
    answer.on("error", () => response.destroy());
  });
  outgoing.on("error", () => {
    if (!response.headersSent) response.writeHead(502);
    response.end();
  });
  response.on("close", () => {
    if (!response.writableFinished) outgoing.destroy();
  });
  request.pipe(outgoing);
}

const server = http.createServer({ keepAliveTimeout: 75_000, noDelay: true }, forward);
server.maxRequestsPerSocket = 0;
server.listen(port, HOST);
