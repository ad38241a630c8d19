package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kong"
)

// limits are how much one user, one address and all together may have of a server.
type limits struct {
	MaxPerAddress      int     `help:"Connections that one address may have, IPv6 by its /64. A tenth more may say hello, to come back to a session that has its place there." default:"100" env:"EDITLOCK_MAX_PER_ADDRESS"`
	MaxConnections     *int    `help:"Connections that all together may have. Without it, 100000, or as many as the limit of open files is good for." env:"EDITLOCK_MAX_CONNECTIONS" placeholder:"100000"`
	MaxPerUser         int     `help:"Connections that one user may have, and as many requests of programs that wait for a lock." default:"20" env:"EDITLOCK_MAX_PER_USER"`
	MaxSessionsPerUser int     `help:"Sessions that one user may have: tabs, and programs. Raise it, --max-per-user and --request-rate for an application that asks for many people as one user." default:"100" env:"EDITLOCK_MAX_SESSIONS_PER_USER"`
	MaxPrograms        int     `help:"Sessions of programs over HTTP that all together may have." default:"10000" env:"EDITLOCK_MAX_PROGRAMS"`
	MaxWaits           int     `help:"Requests of programs that may wait for a lock at once. One that is too many is answered at once, and keeps its place." default:"500" env:"EDITLOCK_MAX_WAITS"`
	RequestRate        int     `help:"Requests of programs that one user may make in a second, with twice as many at once; an address ten times as many." default:"50" env:"EDITLOCK_REQUEST_RATE"`
	Retention          keeping `help:"For how long history is kept that is written from now on, as 90d or 36h, or forever. It has the names of users." default:"90d" env:"EDITLOCK_RETENTION" placeholder:"90d"`
}

// connections are those that all together may have, as far as there are files.
func (l limits) connections() int {
	if l.MaxConnections == nil {
		return 100_000
	}
	return *l.MaxConnections
}

// check names the first that makes no sense.
func (l limits) check() error {
	for _, limit := range []struct {
		flag string
		n    int
		most int
	}{
		{"max-per-address", l.MaxPerAddress, 1e9}, {"max-connections", l.connections(), 1e9}, {"max-per-user", l.MaxPerUser, 1e9},
		{"max-sessions-per-user", l.MaxSessionsPerUser, 1e9}, {"max-programs", l.MaxPrograms, 1e9}, {"max-waits", l.MaxWaits, 1e9},
		{"request-rate", l.RequestRate, 100_000},
	} {
		if limit.n <= 0 || limit.n > limit.most {
			return misused("--%s is %d: it must be 1 to %d", limit.flag, limit.n, limit.most)
		}
	}
	return nil
}

// keeping is for how long something is kept; below zero: for ever.
type keeping time.Duration

// Decode implements kong.MapperValue.
func (k *keeping) Decode(ctx *kong.DecodeContext) error {
	var text string
	if err := ctx.Scan.PopValueInto("time", &text); err != nil {
		return err
	}
	if text == "forever" {
		*k = -1
		return nil
	}
	d, err := time.ParseDuration(text)
	if days, ok := strings.CutSuffix(text, "d"); ok {
		var n int
		if n, err = strconv.Atoi(days); err == nil && n <= 36500 {
			d = time.Duration(n) * 24 * time.Hour
		}
	}
	if err != nil || d < time.Hour {
		return fmt.Errorf("%q is no time to keep something for: write one like 90d or 36h, of an hour at least, or forever", text)
	}
	*k = keeping(d)
	return nil
}
