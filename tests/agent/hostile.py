"""Bad values of the variables that a runtime sets, forty for each: none of them may pass, or change anything."""

UP = "../" * 12
TEXTS = (
    "", " ", "\t", "\n", "\r\n", "a b", " a", "a ", "a\n", "a\nb", "a\0b", "\x1b[31m", "\x7f", "a\x01",
    "..", ".", "../x", "a/b", "/", "//", UP, "a/../../b", "\\", "a\\b", "a:b", "a;b", "a|b", "a&b", "$(id)", "`id`",
    "*", "?", "~", "'", '"', "<a>", "{}", "a,b", "a=b", "%s%n", "\u00e4", "\u0661", "\u200b", "\udcff", "\U0001f600",
)  # fmt: skip
LINK_NAMES = ("\\", "a\\b", "a;b", "a|b", "a&b", "$(id)", "`id`", "*", "?", "~", "'", '"', "<a>", "{}", "a,b", "a=b")
"""Of these, what the kernel takes for the name of a link."""
LONG = (4096, 100_000)

HOSTILE = {
    "CNI_COMMAND": (*TEXTS, "add", "Add", "ADD\n", "UPDATE", "VERSIONS", "del", *("A" * size for size in LONG)),
    "CNI_CONTAINERID": (*TEXTS, "-a", "_a", ".a", "x" * 254, *("x" * size for size in LONG)),
    "CNI_IFNAME": (
        *(text for text in TEXTS if text not in LINK_NAMES),
        "eth%d", "%", "eth0:1", ":", "/a", "a/", "." * 20, "x" * 16, "x" * 17, "a\u00e9", "\u202eeth0",
        *("x" * size for size in LONG),
    ),
    "CNI_NETNS": (
        *(text for text in TEXTS if not text.startswith("/")),
        "netns", "run/netns/x", "proc/self/ns/net", "/a\nb", "/a\x1bb", "/\udcff", *("/" + "x" * size for size in LONG),
    ),
    "CNI_ARGS": (
        *(text for text in TEXTS if text.strip() and "=" not in text and ";" not in text),
        "=b", "A", "A=b", "K8S_POD_NAME", "K8S_POD_NAME=a=b", "K8S_POD_NAME=a b", "K8S_POD_NAME=\u00e4", "A;B",
        "K8S_POD_NAMESPACE=\x1b[31m", f"K8S_POD_UID={'x' * 254}", "IgnoreUnknown=maybe", "A=b;IgnoreUnknown=0",
    ),
}  # fmt: skip
"""Values beyond what a name or path may be, by variable."""
