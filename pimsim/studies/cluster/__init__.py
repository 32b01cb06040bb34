"""Serving of requests by several machines: routing, pools of prefill and decode machines, and KV caches on a link."""
