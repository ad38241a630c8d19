package main

import (
	"strings"
	"testing"

	"github.com/editlock/editlock/wire"
)

// What a flag of serve says about a limit holds.
// Faults: A9
func TestLimitsOfServe(t *testing.T) {
	ana := mint(t, "--sub=1", "--right=edit:**")
	ben := mint(t, "--sub=2", "--right=edit:**")
	acquire := func(t *testing.T, s *service, token, resource string) wire.Code {
		t.Helper()
		var p wire.Problem
		s.ask(t, token, "acquire", wire.AcquireCall{Resource: resource}, &p)
		return p.Code
	}
	for name, c := range map[string]struct {
		flag   string
		second string // who asks after Ana
		want   wire.Code
	}{
		"of a user's sessions":  {"--max-sessions-per-user=1", ana, wire.TooManySessions},
		"not of another's":      {"--max-sessions-per-user=1", ben, ""},
		"of all programs":       {"--max-programs=1", ben, wire.TooManySessions},
		"within the default":    {"--max-programs=2", ben, ""},
		"of requests a second":  {"--request-rate=1", ana, wire.RateLimited},
		"of each user's alone":  {"--request-rate=1", ben, ""},
		"none that is too wide": {"--request-rate=100", ana, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, c.flag)
			if code := acquire(t, s, ana, "a"); code != "" {
				t.Fatal(code)
			}
			var code wire.Code
			for i := 0; i == 0 || code != c.want && i < 50; i++ { // some more may come at once
				code = acquire(t, s, c.second, "b")
			}
			if code != c.want {
				t.Errorf("%q, want %q", code, c.want)
			}
		})
	}
	for name, flag := range map[string]string{"of a user's waits": "--max-per-user=1", "of all waits": "--max-waits=1"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, flag)
			for _, resource := range []string{"a", "b"} {
				if code := acquire(t, s, ana, resource); code != "" {
					t.Fatal(code)
				}
			}
			answered := make(chan wire.Problem, 2)
			for _, resource := range []string{"a", "b"} {
				go func() {
					var p wire.Problem
					s.ask(t, ben, "acquire", wire.AcquireCall{Resource: resource, Wait: 5}, &p) // until the other has come, too
					answered <- p
				}()
			}
			first, second := <-answered, <-answered
			if first.Code != wire.Locked || first.RetryAfter == 0 || second.RetryAfter != 0 {
				t.Errorf("%+v\n%+v", first, second)
			}
		})
	}
}

func TestLimitsThatAreNone(t *testing.T) {
	for _, flag := range []string{"--max-per-address=0", "--max-connections=-1", "--max-per-user=0", "--max-sessions-per-user=0", "--max-programs=0", "--max-waits=0", "--request-rate=1000000"} {
		status, _, stderr := run(t, []string{testKey, testSigning}, "serve", "--listen=127.0.0.1:0", "--store=sqlite:"+t.TempDir()+"/locks.db", flag)
		name, _, _ := strings.Cut(flag, "=")
		if status != exitUsage || !strings.Contains(stderr, name) || !strings.Contains(stderr, "it must be 1 to ") {
			t.Errorf("%s: %d\n%s", flag, status, stderr)
		}
	}
}
