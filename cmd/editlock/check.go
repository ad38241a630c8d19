package main

import (
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/editlock/editlock/server"
)

// check says which setting makes no sense, by the name of its flag. Nothing has been made yet, and nothing is.
func (c *serveCmd) check() error {
	if strings.ContainsAny(c.BasePath, "{} \t") {
		return misused("--base-path is %q: write a plain path such as /editlock, without braces and spaces", c.BasePath)
	}
	if err := c.limits.check(); err != nil {
		return err
	}
	if err := c.issuing.check(); err != nil {
		return err
	}
	if err := checkTTL(c.TTL); err != nil {
		return err
	}
	if c.Drain <= 0 {
		return misused("--drain is %v: it must be above 0", c.Drain)
	}
	for _, origin := range c.Origin {
		if err := server.CheckOrigin(origin); err != nil {
			return misused("--origin: %s", strings.TrimPrefix(err.Error(), "server: "))
		}
	}
	if c.JWKSURL != "" {
		if err := server.CheckJWKSAddress(c.JWKSURL); err != nil {
			return misused("--jwks-url: %s", strings.TrimPrefix(err.Error(), "server: "))
		}
	}
	if err := checkListen(c.Listen, "8420"); err != nil {
		return err
	}
	if err := c.operating.check(); err != nil {
		return err
	}
	if c.dataFile() == "" {
		return misused("--store is %q; it must be sqlite:PATH", c.Store)
	}
	_, err := wantsTraces()
	return err
}

func checkTTL(ttl time.Duration) error {
	if ttl < 10*time.Second || ttl > 300*time.Second {
		return misused("--ttl is %v: it must be 10s to 300s", ttl)
	}
	return nil
}

// checkListen says how an address is written. usual is the port that the command has by itself.
func checkListen(addr, usual string) error {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		if port = addr; !isPort(port) {
			port = usual
		}
		return misused("--listen is %q: write 127.0.0.1:%s, or :%s for every address of this machine", addr, port, port)
	}
	if _, err := net.LookupPort("tcp", port); err != nil {
		return misused("--listen is %q: there is no port %s; write %s", addr, port, net.JoinHostPort(host, usual))
	}
	return nil
}

func isPort(text string) bool {
	_, err := strconv.ParseUint(text, 10, 16)
	return err == nil
}

// dataFile is the path of the data file, or empty if --store names none.
func (c *serveCmd) dataFile() string {
	path, ok := strings.CutPrefix(c.Store, "sqlite:")
	if !ok {
		return ""
	}
	return path
}
