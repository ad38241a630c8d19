//go:build unix

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/editlock/editlock/wire"
)

// asUser is the environment of a command that asks the server as a user.
func (s *service) asUser(t *testing.T, id, name string, env ...string) []string {
	t.Helper()
	return append(env, "EDITLOCK_SERVER=http://"+s.addr+"/editlock", "EDITLOCK_TOKEN="+mint(t, "--sub="+id, "--name="+name), "TMPDIR="+t.TempDir())
}

// holder is a running `editlock exec`, whose command prints lines.
type holder struct {
	*testing.T
	cmd    *exec.Cmd
	lines  chan string
	stderr bytes.Buffer
	done   chan struct{}
}

// hold runs a shell script under a lock.
func (s *service) hold(t *testing.T, env []string, flags []string, script string) *holder {
	t.Helper()
	h := &holder{T: t, lines: make(chan string, 1000), done: make(chan struct{})}
	args := append(append([]string{"exec"}, flags...), "article/42", "--", "sh", "-c", script)
	h.cmd = command(context.Background(), env, args...)
	h.cmd.Stderr = &h.stderr
	out, err := h.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := h.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(h.done)
		for sc := bufio.NewScanner(out); sc.Scan(); {
			h.lines <- sc.Text()
		}
		close(h.lines)
		_ = h.cmd.Wait()
	}()
	t.Cleanup(func() {
		_ = h.cmd.Process.Signal(syscall.SIGTERM) // it is passed on to all that the command has started
		select {
		case <-h.done:
		case <-time.After(patience):
			t.Error("the command lives on")
		}
	})
	return h
}

// next waits for a line that begins with what, and returns the rest.
func (h *holder) next(what string) string {
	h.Helper()
	deadline := time.After(patience)
	for {
		select {
		case line, ok := <-h.lines:
			if !ok {
				<-h.done
				h.Fatalf("it ended without saying %q:\n%s", what, &h.stderr)
			}
			if rest, ok := strings.CutPrefix(line, what); ok {
				return strings.TrimSpace(rest)
			}
		case <-deadline:
			h.Fatalf("it does not say %q", what)
		}
	}
}

// ends waits for the end, and returns the exit code.
func (h *holder) ends() int {
	h.Helper()
	for {
		select {
		case <-h.lines:
		case <-h.done:
			return h.cmd.ProcessState.ExitCode()
		case <-time.After(patience):
			h.Fatal("it does not end")
		}
	}
}

func (h *holder) signal(sig syscall.Signal) {
	h.Helper()
	if err := h.cmd.Process.Signal(sig); err != nil {
		h.Fatal(err)
	}
}

// alive reports whether a process lives.
func alive(t *testing.T, pid string) bool {
	t.Helper()
	n, err := strconv.Atoi(pid)
	if err != nil {
		t.Fatal(err)
	}
	return syscall.Kill(n, 0) == nil
}

// gone waits until a process is gone.
func gone(t *testing.T, pid string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for tick := time.NewTicker(20 * time.Millisecond); alive(t, pid); {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("process %s lives on", pid)
		}
	}
}

func TestExecRunsTheCommandWithTheLock(t *testing.T) {
	s := serve(t)
	ana := s.asUser(t, "1", "Ana")
	cmd := command(t.Context(), append(ana, "GREETING=hello"), "exec", "article/42", "--", "sh", "-c",
		`cat; echo $GREETING; echo "$1"; echo $EDITLOCK_RESOURCE $EDITLOCK_FENCE; cat "$EDITLOCK_LOCK_TOKEN_FILE"; ls -l "$EDITLOCK_LOCK_TOKEN_FILE" | cut -c1-10; echo "$EDITLOCK_LOCK_TOKEN"; echo bad >&2; exit 7`, "sh", "--an argument")
	cmd.Stdin = strings.NewReader("from standard input\n")
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if code := cmd.ProcessState.ExitCode(); code != 7 || errs.String() != "bad\n" {
		t.Fatalf("exit code %d, %v\n%s", code, err, &errs)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 7 || lines[6] != lines[4] || !slices.Equal(lines[:3], []string{"from standard input", "hello", "--an argument"}) || lines[5] != "-rw-------" {
		t.Fatalf("%q", lines)
	}
	fence, ok := strings.CutPrefix(lines[3], "article/42 ")
	if n, err := strconv.ParseInt(fence, 10, 64); !ok || err != nil || n <= 0 {
		t.Errorf("the command is told %q", lines[3])
	}
	if claims := claimsOf(t, lines[4]); claims["res"] != "article/42" || fmt.Sprintf("%.0f", claims["fence"]) != fence {
		t.Errorf("the lock token says %v", claims)
	}
	// It is given back, and nothing is left behind.
	if status, _, stderr := run(t, s.asUser(t, "2", "Ben"), "exec", "-n", "article/42", "true"); status != 0 {
		t.Errorf("afterwards: %d\n%s", status, stderr)
	}
}

// claimsOf reads a token, as anybody can.
func claimsOf(t *testing.T, token string) map[string]any {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("%q is no token", token)
	}
	data, err := base64.RawURLEncoding.DecodeString(parts[1])
	var claims map[string]any
	if err == nil {
		err = json.Unmarshal(data, &claims)
	}
	if err != nil {
		t.Fatal(err)
	}
	return claims
}

func TestExecConflict(t *testing.T) {
	s := serve(t)
	ana := s.hold(t, s.asUser(t, "1", "Ana"), nil, `echo in; exec sleep 1000`)
	ana.next("in")
	ben := s.asUser(t, "2", "Ben")
	for _, c := range []struct {
		flags []string
		code  int
	}{
		{[]string{"-n"}, 1}, {[]string{"--no-wait", "-E", "9"}, 9}, {[]string{"-w", "0"}, 1}, {[]string{"--wait=0.2", "-E0"}, 0}, {[]string{"-w", "200ms", "-E", "33"}, 33},
	} {
		status, stdout, stderr := run(t, ben, append(append([]string{"exec"}, c.flags...), "article/42", "--", "echo", "ran")...)
		if status != c.code || stdout != "" || !strings.Contains(stderr, "article/42") || c.flags[0] == "-n" && !strings.Contains(stderr, "Ana") {
			t.Errorf("%q: exit code %d\n%s%s", c.flags, status, stdout, stderr)
		}
	}
}

func TestExecWaitsItsTurn(t *testing.T) {
	s := serve(t)
	ana := s.hold(t, s.asUser(t, "1", "Ana"), nil, `echo in; exec sleep 1000`)
	ana.next("in")
	ben := s.hold(t, s.asUser(t, "2", "Ben"), nil, `echo in $EDITLOCK_FENCE`)
	p := open(t, s)
	next[*wire.Welcome](t, p, hello(mint(t, "--sub=9", "--right=watch:**")))
	if ok := next[*wire.OK](t, p, &wire.Watch{ID: 2, Target: wire.Target{Resource: "article/42"}}); ok.Snapshot.Waiting == 0 {
		for next[*wire.Snapshot](t, p, nil).Waiting == 0 {
		}
	}
	ana.signal(syscall.SIGTERM) // it is passed on, and the shell ends by it
	if code := ana.ends(); code != 128+15 {
		t.Errorf("Ana's command ended with %d\n%s", code, &ana.stderr)
	}
	ben.next("in")
	if code := ben.ends(); code != 0 || !strings.Contains(ben.stderr.String(), "is edited by Ana (1) since") || !strings.Contains(ben.stderr.String(), "waiting") {
		t.Errorf("exit code %d\n%s", code, &ben.stderr)
	}
}

// A signal while it waits: the place is given up, and the command does not run.
func TestExecInterruptedWhileWaiting(t *testing.T) {
	s := serve(t)
	ana := s.hold(t, s.asUser(t, "1", "Ana"), nil, `echo in; exec sleep 1000`)
	ana.next("in")
	p := open(t, s)
	next[*wire.Welcome](t, p, hello(mint(t, "--sub=9", "--right=watch:**")))
	next[*wire.OK](t, p, &wire.Watch{ID: 2, Target: wire.Target{Resource: "article/42"}})
	ben := s.hold(t, s.asUser(t, "2", "Ben"), nil, `echo in`)
	for next[*wire.Snapshot](t, p, nil).Waiting != 1 {
	}
	ben.signal(syscall.SIGINT)
	if code := ben.ends(); code != 128+2 {
		t.Errorf("exit code %d\n%s", code, &ben.stderr)
	}
	for next[*wire.Snapshot](t, p, nil).Waiting != 0 {
	}
}

// stubborn ignores SIGTERM, and has a child that does as well.
const stubborn = `trap 'echo asked' TERM; sh -c 'trap "" TERM; sleep 1000' & echo child $!; echo in $$; while :; do sleep 0.1; done`

// Faults: N1, S5. The server is gone for good: before it could be somebody else's, the command is stopped, with all that it has started.
func TestExecStopsTheCommandWhenTheServerIsGone(t *testing.T) {
	t.Parallel()
	s := serve(t, "--ttl=10s")
	ana := s.hold(t, s.asUser(t, "1", "Ana"), []string{"--kill-after=1s"}, stubborn)
	child := ana.next("child")
	pid := ana.next("in")
	_ = s.cmd.Process.Kill()
	ana.next("asked")
	if code := ana.ends(); code != exitLost {
		t.Errorf("exit code %d", code)
	}
	gone(t, pid)
	gone(t, child)
	if said := ana.stderr.String(); !strings.Contains(said, "no longer certain") || !strings.Contains(said, "stopping the command") {
		t.Errorf("it said:\n%s", said)
	}
}

// A lock that is taken away: the command is stopped, and told why.
func TestExecStopsTheCommandWhenTheLockIsTakenAway(t *testing.T) {
	s := serve(t)
	ana := s.hold(t, s.asUser(t, "1", "Ana"), nil, `trap 'echo asked; exit 0' TERM; echo in; while :; do sleep 0.1; done`)
	ana.next("in")
	p := open(t, s)
	next[*wire.Welcome](t, p, hello(mint(t, "--sub=1")))
	ok := next[*wire.OK](t, p, &wire.Acquire{ID: 2, Target: wire.Target{Resource: "article/42"}, Move: true})
	if ok.Snapshot.Mine == nil || ok.Snapshot.Mine.State != "granted" {
		t.Fatalf("%+v", ok.Snapshot)
	}
	ana.next("asked")
	if code := ana.ends(); code != exitLost || !strings.Contains(ana.stderr.String(), "handed_over") {
		t.Errorf("exit code %d\n%s", code, &ana.stderr)
	}
}

// Faults: B8. exec itself is killed: the command is told, and the lock is free when its time is over.
func TestExecKilled(t *testing.T) {
	t.Parallel()
	s := serve(t, "--ttl=10s")
	ana := s.hold(t, s.asUser(t, "1", "Ana"), nil, `echo in $$; exec sleep 1000`)
	pid := ana.next("in")
	ana.signal(syscall.SIGKILL)
	if runtime.GOOS == "linux" { // elsewhere the kernel does not tell
		gone(t, pid)
	}
	ben := s.hold(t, s.asUser(t, "2", "Ben"), nil, `echo in`)
	ben.next("in")
	if code := ben.ends(); code != 0 {
		t.Errorf("exit code %d\n%s", code, &ben.stderr)
	}
}

// Faults: B10. exec was stopped for longer than the session lives, and somebody else was let in: when it goes on it stops the command.
func TestExecStoppedForLong(t *testing.T) {
	t.Parallel()
	s := serve(t, "--ttl=10s")
	ana := s.hold(t, s.asUser(t, "1", "Ana"), nil, `echo in; while :; do sleep 0.1; done`)
	ana.next("in")
	ana.signal(syscall.SIGSTOP)
	ben := s.hold(t, s.asUser(t, "2", "Ben"), nil, `echo in; exec sleep 1000`)
	ben.next("in")
	ana.signal(syscall.SIGCONT)
	if code := ana.ends(); code != exitLost {
		t.Errorf("exit code %d\n%s", code, &ana.stderr)
	}
}

// Faults: N1. A server that is restarted in time costs the command nothing, and its lock token is renewed.
func TestExecOutlivesARestart(t *testing.T) {
	t.Parallel()
	store := "--store=sqlite:" + filepath.Join(t.TempDir(), "locks.db")
	s := serve(t, store, "--ttl=30s")
	ana := s.hold(t, s.asUser(t, "1", "Ana"), nil,
		`echo in; old=$(cat "$EDITLOCK_LOCK_TOKEN_FILE"); while :; do new=$(cat "$EDITLOCK_LOCK_TOKEN_FILE"); [ "$new" = "$old" ] || { old=$new; echo token $new; }; sleep 0.1; done`)
	ana.next("in")
	before := claimsOf(t, ana.next("token"))
	_ = s.cmd.Process.Kill()
	<-s.done
	again := started(t, command(context.Background(), []string{testKey, testSigning}, "serve", "--listen="+s.addr, store, "--ttl=30s"))
	killed := time.Now().Unix()
	for {
		claims := claimsOf(t, ana.next("token"))
		if issued, _ := claims["iat"].(float64); int64(issued) > killed {
			if claims["fence"] != before["fence"] || claims["sid"] != before["sid"] {
				t.Errorf("before the restart %v, after it %v", before, claims)
			}
			break
		}
	}
	if status, _, _ := run(t, again.asUser(t, "2", "Ben"), "exec", "-n", "-E", "3", "article/42", "true"); status != 3 {
		t.Errorf("Ben was let in: %d", status)
	}
	ana.signal(syscall.SIGTERM)
	if code := ana.ends(); code != 128+15 {
		t.Errorf("exit code %d\n%s", code, &ana.stderr)
	}
}

func TestExecTimeout(t *testing.T) {
	s := serve(t)
	for _, long := range []string{"200ms", "0.2"} {
		status, _, stderr := run(t, s.asUser(t, "1", "Ana"), "exec", "--timeout", long, "--kill-after", "1", "article/42", "sleep", "1000")
		if status != exitTimeout || !strings.Contains(stderr, "200ms") {
			t.Errorf("exit code %d\n%s", status, stderr)
		}
	}
}

func TestExecSaysWhatIsWrong(t *testing.T) {
	s := serve(t)
	ana := s.asUser(t, "1", "Ana")
	script := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(script, []byte("#!/bin/sh\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		env  []string
		args []string
		code int
		says string
	}{
		{ana, []string{"article/42", "--", "no-such-command"}, exitNotFound, "cannot run"},
		{ana, []string{"article/42", "--", script}, exitNotRunning, "cannot run"},
		{ana, []string{"article/42", "--", filepath.Dir(script)}, exitNotRunning, "cannot run"},
		{ana, []string{"article/42", "--", script + "/nothing"}, exitNotRunning, "cannot run"},
		{ana, []string{"article/42", "--", script + ".sh"}, exitNotFound, "cannot run"},
		{ana, []string{"--timeout=-1s", "article/42", "--", "true"}, exitUsage, "number of seconds"},
		{ana, []string{"article/42"}, exitUsage, "command"},
		{ana, []string{"article//42", "--", "true"}, exitUsage, "resource"},
		{ana, []string{"-E", "256", "article/42", "--", "true"}, exitUsage, "0 to 255"},
		{ana, []string{"-w", "soon", "article/42", "--", "true"}, exitUsage, "number of seconds"},
		{[]string{"EDITLOCK_SERVER=http://" + s.addr + "/editlock"}, []string{"article/42", "--", "true"}, exitUsage, "access token is missing"},
		{append(slices.Clone(ana), "EDITLOCK_TOKEN=a.b.c"), []string{"article/42", "--", "true"}, exitRefused, "access token"},
		{append(slices.Clone(ana), "EDITLOCK_TOKEN="+mint(t, "--sub=1", "--right=edit:page/*")), []string{"article/42", "--", "true"}, exitRefused, "right"},
	} {
		status, stdout, stderr := run(t, c.env, append([]string{"exec"}, c.args...)...)
		if status != c.code || stdout != "" || !strings.Contains(stderr, c.says) {
			t.Errorf("%q: exit code %d, does not say %q:\n%s%s", c.args, status, c.says, stdout, stderr)
		}
	}
}
