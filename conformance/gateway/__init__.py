"""Face one: a gateway is judged. Settings, plan, preflight, campaign."""
