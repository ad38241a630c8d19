package bench

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// asChild makes a second process of this test behave as the child that the command starts.
const asChild = "EDITLOCK_BENCH_TEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(asChild) != "" {
		if err := Child(context.Background(), os.Args[1:]...); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// A small run goes through every measurement; what the figures are is for the machine to say.
func TestRun(t *testing.T) {
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	err = Run(t.Context(), Options{
		Dir: t.TempDir(), Waiters: []int{1, 3}, Rounds: 5, Sockets: 50, Counted: true, Out: &out,
		Child: func(ctx context.Context, args ...string) *exec.Cmd {
			cmd := exec.CommandContext(ctx, program, args...)
			cmd.Env = append(os.Environ(), asChild+"=1")
			return cmd
		},
	})
	t.Logf("\n%s", &out)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"Hand-over", "floor p50", "Acquire", "Memory", "editlock session", "ratio", "as long as without"} {
		if !strings.Contains(out.String(), part) {
			t.Errorf("no %q", part)
		}
	}
	if strings.Contains(out.String(), "NaN") || strings.Contains(out.String(), "Inf") {
		t.Error("something was divided by nothing")
	}
}

// Who asks for a bound is told when it is passed, and which part of it.
func TestAtMost(t *testing.T) {
	o := Options{Dir: t.TempDir(), Waiters: []int{1, 2}, Rounds: 3, Pause: -1, Sockets: -1, Out: io.Discard}
	o.AtMost = 1e9
	if err := Run(t.Context(), o); err != nil {
		t.Error(err)
	}
	o.AtMost = 1e-9
	if err := Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), "with 1 waiting") || !strings.Contains(err.Error(), "with 2 waiting") {
		t.Error(err)
	}
}

func TestBadOptions(t *testing.T) {
	for _, o := range []Options{{Waiters: []int{0}}, {Waiters: []int{201}}, {Rounds: -1}} {
		o.Dir = t.TempDir()
		if err := Run(t.Context(), o); err == nil {
			t.Errorf("accepted: %+v", o)
		}
	}
}
