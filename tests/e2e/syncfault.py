# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the syncs of the proxy's journal wait or fail, as a disk might: strace puts the fault into the system call."""


class SyncFault:
    """
    The proxy of a lab, started again, with this done to each fdatasync of its journal: "delay_enter=MICROSECONDS" or "error=EIO".
    Until end(), and the next start.
    """

    def __init__(self, lab, fault):
        self.lab, self.plain = lab, lab.process
        self.log = lab.dir / "api-proxy.syncs"
        lab.stop("api-proxy")
        lab.process = self.process
        self.fault = fault
        lab.start("api-proxy")

    def process(self, name):
        made = self.plain(name)
        if name == "api-proxy":
            # A leak cannot be looked for under ptrace.
            made.argv = ["strace", "-D", "-f", "-qq", "-E", "ASAN_OPTIONS=detect_leaks=0:exitcode=99", "-o", self.log, "-P", self.lab.dir / "api-proxy" / "intents" / "journal",
                         "-e", "trace=fdatasync", "-e", f"inject=fdatasync:{self.fault}", *made.argv]
        return made

    def met(self):
        """How many syncs have begun."""
        return self.log.read_text().count("fdatasync(")

    def end(self):
        self.lab.process = self.plain
