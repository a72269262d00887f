"""STS, version 2015-04-01: temporary credentials of roles."""
