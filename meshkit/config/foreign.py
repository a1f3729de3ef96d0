"""What is meant by who knows the words of another tool? What is written here for those of Envoy, Traefik, nginx.

`FOREIGN` has, for a kind of thing, a word that it does not have, and what to write; ``"*"`` is any other word. `alone`
is for what stands where options should: ``redirect: https://shop.example/``. Only what is written very often, and what
no likeness of words would find, is worth a line.

Sources: Envoy's v3 API (route components, cluster), Traefik's dynamic configuration, the Gateway API's HTTPRoute,
resilience4j, tenacity, express-rate-limit.
"""

from __future__ import annotations

__all__ = ["FOREIGN", "meant"]

SERVERS = "write endpoints: [10.0.0.7:8080]"
CLUSTER = "write to: and the name of a cluster"
SHARES = "write to: {split: {orders: 90, orders-v2: 10}}"
PIPELINE = "write it under pipeline:, for each endpoint, or in a route, under policies:"
WORD = "begin with its word, as in retry: {on: 5xx}"
TOP = "routes and clusters stand at the top of the file"
RATE = "write it into the rate, as 100/s or 10/min"


def _all(words: str, advice: str) -> dict[str, str]:
    return dict.fromkeys(words.split(), advice)


FOREIGN: dict[str, dict[str, str]] = {
    "mesh file": {
        **_all("services backends upstreams upstream servers", "write clusters: {orders: {endpoints: [...]}}"),
        **_all("routers rules virtual_hosts virtual_services", "write routes: a list, each match and to"),
        **_all("virtual_routers gateway_routes ingress server locations", "write routes: a list, each match and to"),
        **_all("virtual_nodes", "the process is one of nodes:, and where others find it one of clusters:"),
        **_all("entry_points entrypoints gateways gateway", "write listeners: by name, each with a port"),
        **_all("virtual_gateways ports listen", "write listeners: by name, each with a port"),
        **_all("middlewares filters actions", "they stand in each route: policies: and actions:"),
        **_all("timeout timeouts retry retries circuit_breaker", "policies stand in routes, under policies:"),
        **_all("name metadata", "write mesh: and the name"),
        **_all("static_resources dynamic_resources resources http tcp services_mesh", TOP),
        "version": "leave it out",
    },
    "cluster": {
        **_all("hosts servers addresses address instances targets urls url upstreams backends", SERVERS),
        **_all("host port ip nodes load_assignment lb_endpoints members", SERVERS),
        **_all("lb_policy load_balancer load_balancing lb strategy algorithm", "write balancer: round_robin"),
        **_all("health_check health_checks healthcheck health", "write checks: [http_check: {path: /health}]"),
        **_all("outlier_detection outlier ejection", "write outliers: outlier_detection"),
        **_all("policies circuit_breaker circuit_breakers retry retries timeout timeouts", PIPELINE),
        **_all("limits max_connections connections", "write ceilings: {requests: 100}"),
        **_all("dns discovery resolver", "write endpoints: [dns: {host: orders, port: 8080}]"),
        **_all("sticky session session_affinity affinity", "write balancer: sticky"),
        **_all("tls transport_socket ssl", "begin the endpoints with https://"),
        "name": "its name stands before the colon: orders: {endpoints: [...]}",
        "type": "leave it out: endpoints: says where they come from",
        "weight": "write it at an endpoint, {address: 10.0.0.7:8080, weight: 3}, or in a split",
        "connect_timeout": "write it where the transport is made: mesh.transport()",
    },
    "endpoint": {
        **_all("url uri server target host hostname ip port", "write address: 10.0.0.7:8080, or that alone"),
        **_all("zone region", "write locality:"),
        **_all("labels metadata", "write tags:"),
    },
    "route": {
        **_all("destination cluster service backend upstream target forward_to proxy_pass route", CLUSTER),
        **_all("backends backend_refs weighted_clusters services", SHARES),
        **_all("matches rule rules when if", "write match:"),
        **_all("domains domain authority hostname hostnames hosts", "write match: {host: shop.example}"),
        **_all("middlewares filters", "write policies: and actions:, a list each"),
        **_all("timeouts deadline", "write policies: [timeout: 2s]"),
        **_all("retries retry_policy", "write policies: [retry: {on: 5xx}]"),
        **_all("prefix_rewrite rewrite_target url_rewrite strip_prefix", "write actions: [rewrite: {prefix: /}]"),
        **_all("host_rewrite host_rewrite_literal", "write actions: [rewrite: {host: orders.internal}]"),
        **_all("weight weights", SHARES),
        **_all("return response direct_response", "write to: {respond: {status: 404, body: not found}}"),
        "id": "write name:",
    },
    "match": {
        **_all("hosts hostname hostnames authority domain domains sni_hosts", "write host:"),
        **_all("path_prefix prefix_path uri_prefix", "write prefix:"),
        **_all("safe_regex path_regex path_regexp regexp", "write regex:"),
        **_all("exact uri url exact_path", "write path:"),
        **_all("methods verb", "write method:"),
        **_all("header", "write headers: {x-user: anna}"),
        **_all("params parameters query_params query_parameters query_string", "write query:"),
        **_all("cookie", "write cookies: {session: true}"),
        **_all("client_ip remote_ip source_ip remote_address", "write source: 10.0.0.0/8"),
        "grpc_service": "write grpc: shop.Orders/Get",
    },
    "value": {
        **_all("contains", "write regex: .*text.*"),
        **_all("range range_match min max", "write least: and below:"),
        **_all("safe_regex pattern matches", "write regex:"),
        **_all("equals value string_match equal", "write exact:, or the text alone"),
        **_all("not negate invert_match", "write invert: true beside it"),
        **_all("exists present_match", "write present:"),
    },
    "rewrite": {
        **_all("path_prefix prefix_rewrite replace_prefix_match replace_prefix strip_prefix", "write prefix: /new"),
        **_all("hostname host_rewrite authority", "write host:"),
        **_all("substitution replacement target", "write to:, beside regex:"),
        **_all("pattern regexp from", "write regex:, beside to:"),
        **_all("full replace_full_path uri url", "write path:"),
    },
    "redirect": {
        **_all("code status_code response_code", "write status:"),
        **_all("hostname host_redirect", "write host:"),
        **_all("https https_redirect", "write scheme: https"),
        **_all("url location uri", "write scheme, host, port and path, each by itself"),
        **_all("replace_prefix_match prefix_rewrite replace_prefix", "write prefix:"),
        "path_redirect": "write path:",
        "port_redirect": "write port:",
        "scheme_redirect": "write scheme:",
        "permanent": "write status: 301",
    },
    "respond": {
        **_all("code status_code", "write status:"),
        **_all("text content inline_string message", "write body:"),
    },
    "branch": {
        **_all("cluster service destination backend name_of_cluster", "write to:"),
        **_all("percent percentage share ratio", "write weight:"),
    },
    "retry": {
        **_all("retry_on conditions condition codes status_codes statuses exceptions when", "write on:"),
        **_all("num_retries max_retries max_attempts retries", "write attempts:, the first one included"),
        **_all("count times tries limit stop", "write attempts:, the first one included"),
        **_all("per_try_timeout timeout attempt_timeout", "write a timeout behind it: [retry: ..., timeout: 1s]"),
        **_all("delay wait interval initial_interval base_interval", "write backoff: {exponential: {base: 50ms}}"),
        **_all("max_interval max_delay", "write backoff: {exponential: {cap: 5s}}"),
        **_all("retry_budget", "write budget: {retry_budget: {ratio: 20%}}"),
    },
    "timeout": {
        **_all("request idle duration timeout value total", "write seconds: 2s, or the duration alone"),
        **_all("connect read write pool", "httpx has those: give them to its client"),
    },
    "circuit_breaker": {
        **_all("threshold failure_threshold max_failures consecutive_errors fail_max errors", "write failures:"),
        **_all("error_rate failure_rate_threshold error_threshold failure_ratio expression", "write failure_rate: 50%"),
        **_all("reset reset_timeout recovery_timeout timeout", "write cooldown: 10s"),
        **_all("wait_duration break_duration sleep_window open", "write cooldown: 10s"),
        **_all("window sliding_window interval", "write window_seconds: 30s"),
        **_all("half_open max_requests trial_calls", "write probes:"),
        "minimum_calls": "write minimum:",
    },
    "rate_limit": {
        **_all("limit requests average requests_per_unit rps tokens max", "write rate: 100/s"),
        **_all("per period unit interval window", RATE),
    },
    "concurrency_limit": _all("max amount concurrency max_concurrent max_requests permits", "write limit:"),
    "mirror": {
        **_all("percent percentage fraction weight ratio", "write share: 10%"),
        **_all("cluster service backend backend_ref", "write to:"),
    },
    "cors": {
        **_all("allow_origins allowed_origins allow_origin access_control_allow_origin_list", "write origins:"),
        **_all("allow_methods allowed_methods access_control_allow_methods", "write methods:"),
        **_all("allow_headers allowed_headers access_control_allow_headers", "write headers:"),
        **_all("expose_headers exposed_headers", "write expose:"),
        **_all("allow_credentials", "write credentials:"),
    },
    "request_headers": {"*": "write set:, add: or remove:, and in it the fields by name"},
    "response_headers": {"*": "write set:, add: or remove:, and in it the fields by name"},
    "pages": {"*": "write pages: {404: not found, 5xx: try again later}"},
    "listener": {
        **_all("bind host ip listen", "write address: 0.0.0.0"),
        **_all("hostname hostnames host domains", "write hosts:"),
        **_all("protocol", "write scheme: http"),
        **_all("filters middlewares", "write policies:"),
        **_all("tls certificates", "write scheme: https"),
    },
    "node": {
        **_all("backends upstreams dependencies depends_on egress outgoing outbound services", "write calls: [orders]"),
        **_all("inbound incoming", "write serves: and policies"),
        **_all("name", "its name stands before the colon"),
    },
    "policy": {
        **_all("name type kind policy", WORD),
        **_all("retries retry_policy", "write retry: {on: 5xx, attempts: 3}"),
        **_all("timeouts deadline", "write timeout: 2s"),
        **_all("bulkhead max_connections limits in_flight_req max_concurrent limit", "write concurrency_limit: 100"),
        **_all("rate_limiting throttling limiter", "write rate_limit: 100/s"),
        **_all("outlier_detection strikes", "it stands in a cluster, under outliers:"),
        **_all("headers add_headers strip_prefix buffering", "that is an action: write it under actions:"),
        "health_check": "it stands in a cluster, under checks:",
    },
    "action": {
        **_all("name type kind action", WORD.replace("retry: {on: 5xx}", "rewrite: {prefix: /}")),
        **_all("strip_prefix prefix_rewrite replace_prefix", "write rewrite: {prefix: /}"),
        **_all("replace_path url_rewrite rewrite_target", "write rewrite: {path: /new}"),
        **_all("host_rewrite", "write rewrite: {host: orders.internal}"),
        **_all("headers add_headers set_headers", "write request_headers: {set: {x-env: canary}}"),
        **_all("request_header_modifier request_headers_to_add", "write request_headers: {set: {x-env: canary}}"),
        **_all("response_header_modifier response_headers_to_add", "write response_headers: {set: {x-env: canary}}"),
        **_all("request_mirror mirroring shadow request_mirror_policies", "write mirror: {to: orders-v2, share: 10%}"),
        **_all("gzip brotli compression compressor", "write compress"),
        **_all("errors error_pages custom_http_errors", "write pages: {pages: {404: not found}}"),
        **_all("request_redirect redirect_scheme redirect_regex", "a route leads there: write to: {redirect: ...}"),
    },
    "balancer": {
        **_all("random", "write random_choice"),
        **_all("p2c power_of_two ewma", "write peak_ewma"),
        **_all("least_conn leastconn", "write least_connections"),
        **_all("wrr weighted weighted_round_robin", "write round_robin: weights of endpoints count"),
        **_all("ip_hash source_ip", "write hashed: client"),
        **_all("ring_hash maglev consistent_hash hash consistent", "write hashed: {key: client, table: maglev}"),
        **_all("cookie", "write sticky"),
    },
    "destination": {
        **_all("cluster service backend destination", "write the name of the cluster alone, to: orders"),
        **_all("weighted weighted_clusters clusters backends", "write split: {orders: 90, orders-v2: 10}"),
        **_all("fixed_response direct_response static_response return response status", "write respond: {status: 404}"),
        "name": "write the name alone, to: orders",
    },
    "failure": {
        **_all("server_error internal_error http_error error_5xx", "write 5xx"),
        **_all("client_error conflict", "write retriable-4xx"),
        **_all("connection_error connect_error connection_failure connect_timeout", "write connect-failure"),
        **_all("stream_error refused_stream reset_before_request invalid_header error", "write reset"),
        **_all("timeout request_timeout read_timeout per_try_timeout", "write TimeoutError, or 504 of another proxy"),
        **_all("retriable_status_codes status_codes", "write the statuses themselves, [503, 504]"),
        **_all("envoy_ratelimited rate_limited", "write 429"),
    },
    "key": _all("ip remote_ip client_ip source_ip remote_addr remote_address", "the address of who asks is client"),
    "order": {"nginx": "write ingress-nginx", "kubernetes": "write gateway-api"},
    "egress": _all("allow_all allow all", "write any") | _all("drop_all deny deny_all none drop", "write listed"),
    "check": _all("http https health path url", "write http_check: {path: /health}") | {"tcp": "write tcp_check"},
}  # fmt: skip
"""By the word of a spec, or the name of a group of them."""


def meant(where: str, word: str) -> str:
    """What to write in place of a word (in snake case) that is not there; empty: who knows."""
    known = FOREIGN.get(where)
    if known is None:
        return ""
    return known.get(word) or known.get("*", "")
