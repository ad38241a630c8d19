package editlock

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/editlock/editlock/lease"
)

// Config tells a Manager what differs from the defaults. The zero value works.
type Config struct {
	// TTL is how long a session that fell silent keeps what it holds. 10 s to 300 s; 0 means 30 s.
	// All nodes on one store must have the same.
	TTL time.Duration
	// Rules are the numbers of the rules. A zero member means its default.
	Rules lease.Rules
	// MaxLocks is how many resources a session may hold and wait for. 0 means 100.
	MaxLocks int
	// MaxSessions is how many sessions a user may have at once on this node. 0 means 100.
	MaxSessions int
	// MaxWatches is how many resources and prefixes a connection may watch. 0 means 1000.
	MaxWatches int
	// Retention is for how long history is kept that is written from now on. 0 means 90 days; negative means for ever.
	Retention time.Duration
	// StoreTimeout bounds each call of the store. 0 means 2 s.
	StoreTimeout time.Duration
	// Observer is told what happens, for counts and traces. nil: nobody is.
	Observer *Observer
	// Logger is where the Manager says what an operator should know. nil means slog.Default().
	Logger *slog.Logger
}

// Heartbeat is how often a server asks a page for a sign of life.
func (c Config) Heartbeat() time.Duration { return min(10*time.Second, c.TTL/4) }

// PongTimeout is how long the answer may take.
func (c Config) PongTimeout() time.Duration { return min(8*time.Second, c.Heartbeat()) }

// Margin is how much sooner than the TTL a client stops to believe that it holds.
func (c Config) Margin() time.Duration { return max(2*time.Second, c.TTL/10) }

func (c Config) liveness() lease.Liveness {
	l := lease.DefaultLiveness()
	l.TTL = c.TTL
	return l
}

func (c Config) withDefaults() (Config, error) {
	def := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	num := func(n *int, v int) {
		if *n == 0 {
			*n = v
		}
	}
	rules := lease.Default()
	def(&c.TTL, 30*time.Second)
	def(&c.Rules.Confirm, rules.Confirm)
	def(&c.Rules.Pause, rules.Pause)
	def(&c.Rules.Reclaim, rules.Reclaim)
	def(&c.Rules.Keep, rules.Keep)
	num(&c.Rules.Queue, rules.Queue)
	num(&c.MaxLocks, 100)
	num(&c.MaxSessions, 100)
	num(&c.MaxWatches, 1000)
	def(&c.Retention, 90*24*time.Hour)
	def(&c.StoreTimeout, 2*time.Second)
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	var errs []error
	must := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf("editlock: "+format, args...))
		}
	}
	must(c.TTL >= 10*time.Second && c.TTL <= 300*time.Second, "TTL is %v; it must be 10s to 300s", c.TTL)
	must(c.Rules.Confirm >= time.Second && c.Rules.Confirm <= time.Minute, "Rules.Confirm is %v; it must be 1s to 1m", c.Rules.Confirm)
	must(c.Rules.Pause >= 0 && c.Rules.Pause <= c.TTL, "Rules.Pause is %v; it must be 0 to the TTL", c.Rules.Pause)
	must(c.Rules.Reclaim >= c.Rules.Pause, "Rules.Reclaim is %v; it must not be below Rules.Pause", c.Rules.Reclaim)
	must(c.Rules.Keep >= time.Minute, "Rules.Keep is %v; it must be at least 1m, longer than any store statement lives", c.Rules.Keep)
	must(c.Rules.Queue > 0 && c.Rules.Queue <= 500, "Rules.Queue is %d; it must be 1 to 500, for a record has 64 KiB", c.Rules.Queue)
	must(c.MaxLocks > 0 && c.MaxSessions > 0 && c.MaxWatches > 0, "MaxLocks, MaxSessions and MaxWatches must be above 0")
	must(c.StoreTimeout >= 100*time.Millisecond && c.StoreTimeout <= 5*time.Second, "StoreTimeout is %v; it must be 100ms to 5s", c.StoreTimeout)
	return c, errors.Join(errs...)
}
