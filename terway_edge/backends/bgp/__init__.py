"""The BGP advertiser: an announce-only speaker for the LAN's pod CIDRs.

Implemented, IPv4 and IPv6 unicast only:

    RFC 4271   BGP-4: messages, state machine, timers, connection collision (6.8), third-party next hops (5.1.3)
    RFC 1997   communities;  RFC 8092  large communities
    RFC 2385   TCP MD5 signatures;  RFC 5082  TTL security
    RFC 2545   IPv6 next hops;  RFC 4760  multiprotocol extensions
    RFC 2918   route refresh (answered with the whole set)
    RFC 4486   Cease subcodes;  RFC 9003  shutdown message;  RFC 8538  Hard Reset and the N bit
    RFC 4724   graceful restart, as the restarting speaker
    RFC 5492   capabilities;  RFC 9072  extended optional parameters (understood, never sent)
    RFC 6286   router identifiers that are any non-zero number
    RFC 6608   subcodes of state machine errors
    RFC 6793   four-octet AS numbers
    RFC 7606   errors in UPDATEs that do not end the session
    RFC 8654   extended messages
    RFC 9687   send hold timer

Not implemented, and not meant to be (docs/explanation/critiques.md): import of routes, route selection, VRF, EVPN,
ADD-PATH, BFD, TCP-AO, confederations, route reflection, enhanced route refresh, long-lived graceful restart, the
helper's side of graceful restart (nothing that a peer sends is ever installed, so nothing can go stale).

A fresh process recognises its earlier life by the file `bgp.json` in the state directory (`memory`).
"""
