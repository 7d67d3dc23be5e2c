"""A shop whose services have operations, call each other in a circle, and hold to what a message has decided."""

from __future__ import annotations

MESSAGES = 200
SHOP = f"""\
name: shop
seed: 7
defaults: {{calls: {{timeout: 20s}}}}
stages:
  shoppers:
    role: injector
    load: {{rate: 100/s, messages: {MESSAGES}}}
    decide: {{hit: 90%, tenant: {{gold: 5%, silver: 95%}}, items: uniform(1, 4)}}
    calls:
      - cart.read
      - {{delay: constant(2ms), when: not hit}}
      - {{steps: [db.find, db.set], when: not hit}}
      - {{to: cart.add, times: items}}
      - {{choose: {{ad: 1, front.head: 10}}, when: tenant != gold}}
      - {{parallel: [ad, front.head, [front.drop, front.patch]], pick: 2, optional: true, on_error: [front.drop]}}
  front:
    operations:
      head: {{method: HEAD, path: /}}
      drop: {{method: DELETE, path: "/items/{{id}}"}}
      patch: {{method: PATCH, path: "/items/{{id}}", calls: [cart.count]}}
  ad: {{faults: ['error(503, "gold only", when="tenant = gold")'], role: terminator}}
  cart:
    delay: constant(1ms)
    operations:
      read: {{method: GET, path: "/carts/{{id}}", calls: [front.head]}}
      add: {{method: POST, path: /carts, calls: [{{to: db.set, fallback: [db.find, ad]}}]}}
      count: {{method: GET, path: /count, response_bytes: 1KB}}
  db:
    role: terminator
    operations:
      find: {{method: GET, path: "/rows/{{id}}"}}
      set: {{method: PUT, path: "/items/{{items}}", faults: ['error(503, 10%)', 'truncate(5%)']}}
"""
