//go:build unix

package main

import (
	"bufio"
	"context"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A server that is not there: the command ends, and says where it has asked and what may be wrong.
func TestSessionsWithoutServer(t *testing.T) {
	t.Parallel()
	const where = "http://127.0.0.1:1/editlock"
	token := mint(t, "--sub=1")
	for _, args := range [][]string{
		{"exec", "article/42", "--", "true"}, {"exec", "-n", "article/42", "--", "true"}, {"exec", "-w", "1000", "article/42", "--", "true"}, {"watch", "article/42"},
	} {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			t.Parallel()
			began := time.Now()
			status, stdout, stderr := run(t, []string{"EDITLOCK_SERVER=" + where, "EDITLOCK_TOKEN=" + token}, args...)
			if took := time.Since(began); status != exitUnreachable || stdout != "" || took > firstAnswer+patience/2 {
				t.Errorf("exit code %d after %v\n%s", status, took, stdout)
			}
			meanwhile, end, _ := strings.Cut(stderr, "\n")
			for line, says := range map[string][]string{
				meanwhile: {"no server answers at " + where + " yet (", "refused", "10s", "--server"},
				end:       {"no lock server answers: " + where + ": ", ". Is it running there? --server or EDITLOCK_SERVER says where\n"},
			} {
				for _, s := range says {
					if !strings.Contains(line, s) {
						t.Errorf("%q does not say %q", line, s)
					}
				}
			}
		})
	}
}

// A server that has answered and is gone is waited for, for longer than one that never did.
// Faults: N1
func TestExecWaitsForAServerThatIsGone(t *testing.T) {
	t.Parallel()
	store := "--store=sqlite:" + filepath.Join(t.TempDir(), "locks.db")
	s := serve(t, store)
	ana := s.hold(t, s.asUser(t, "1", "Ana"), nil, `echo in; exec sleep 1000`)
	ana.next("in")
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	ben := command(ctx, s.asUser(t, "2", "Ben"), "exec", "article/42", "--", "true")
	stderr, err := ben.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := ben.Start(); err != nil {
		t.Fatal(err)
	}
	said := bufio.NewScanner(stderr)
	says := func(what string) {
		for said.Scan() {
			if strings.Contains(said.Text(), what) {
				return
			}
		}
		t.Fatalf("it ended without saying %q: %v", what, ben.Wait())
	}
	says("waiting")
	_ = s.cmd.Process.Kill()
	<-s.done
	long := time.After(firstAnswer + time.Second)
	says("coming back")
	<-long
	started(t, command(context.Background(), []string{testKey, testSigning}, "serve", "--listen="+s.addr, store))
	ana.signal(syscall.SIGTERM)
	for said.Scan() {
	}
	if err := ben.Wait(); err != nil {
		t.Error(err)
	}
}
