// Messages at an open rate: the next one is sent when it is due, however long the answers take.
//
//   TARGET    where to send them            RATE        messages a second, a whole number
//   METHOD    how: POST, GET ...            DURATION    for how long
//   P99_MS    the bound on p99              MAX_FAILED  the share that may fail genuinely
//
// Each {name} in TARGET is filled in with the message's id.
//
// An injected fault without an answer, for instance a reset, can't be recognised: it counts as a genuine failure.
//
// Each message starts its own trace. The trace id of one that failed is in the log, to be looked up in Jaeger, and is
// metadata of its samples for every output that stores metadata.
import http from 'k6/http';
import exec from 'k6/execution';
import { check } from 'k6';
import { Counter, Rate } from 'k6/metrics';

const target = __ENV.TARGET || 'http://injector:8080/messages';
const method = __ENV.METHOD || 'POST';
const hasBody = ['POST', 'PUT', 'PATCH'].includes(method);
const rate = Number(__ENV.RATE || 20);

// By W3C Trace Context level 2: sampled, and the id is random, so that samplers downstream may draw by the id.
const traceFlags = '03';

const failed = new Rate('messages_failed');
const injected = new Counter('messages_with_injected_fault');

export const options = {
  scenarios: {
    messages: {
      executor: 'constant-arrival-rate',
      rate,
      timeUnit: '1s',
      duration: __ENV.DURATION || '1m',
      preAllocatedVUs: Math.max(10, rate),
      maxVUs: Math.max(100, rate * 30),
    },
  },
  thresholds: {
    messages_failed: [`rate<=${__ENV.MAX_FAILED || 0.01}`],
    http_req_duration: [`p(99)<${__ENV.P99_MS || 2000}`],
    // A message that could not be sent when it was due makes the load lower than configured.
    dropped_iterations: ['count==0'],
    checks: ['rate==1'],
  },
  summaryTrendStats: ['min', 'med', 'p(95)', 'p(99)', 'max', 'count'],
};

function hex(bytes) {
  const random = crypto.getRandomValues(new Uint8Array(bytes));
  return Array.from(random, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

export default function () {
  const traceId = hex(16);
  const messageId = `k6-${hex(8)}`;
  exec.vu.metrics.metadata.trace_id = traceId;
  const content = JSON.stringify({ order: exec.scenario.iterationInTest, sent_at: new Date().toISOString() });
  const [body, type] = hasBody ? [content, { 'Content-Type': 'application/json' }] : [null, {}];
  const answer = http.request(method, target.replace(/\{\w+\}/g, messageId), body, {
    headers: { ...type, 'X-Message-Id': messageId, traceparent: `00-${traceId}-${hex(8)}-${traceFlags}` },
    tags: { name: target }, // or each id would make series of its own
    timeout: '60s',
  });
  const isFailure = answer.status < 200 || answer.status >= 300;
  const isInjected = isFailure && 'X-Simulator-Injected' in answer.headers;
  failed.add(isFailure && !isInjected);
  injected.add(isInjected ? 1 : 0);
  if (isFailure) {
    const { status, error } = answer;
    console.error(JSON.stringify({ trace_id: traceId, message_id: messageId, status, error, injected: isInjected }));
  }
  if (answer.status > 0) {
    check(answer, { 'the answer has our trace': (each) => each.headers['X-Trace-Id'] === traceId });
  }
  delete exec.vu.metrics.metadata.trace_id;
}
