package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// orphansVar makes this test binary run a command whose orphans come to somebody else than process 1 of the machine.
const orphansVar = "EDITLOCK_TEST_ORPHANS"

// To whom the command's orphans come.
const (
	toItself = "itself" // as where it is process 1 of a container
	toNobody = "nobody" // as where process 1 of the container buries none but its own children
)

func init() {
	to := os.Getenv(orphansVar)
	if to == "" {
		return
	}
	_ = os.Unsetenv(orphansVar)
	code, err := adopt(to, os.Args[1:])
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: this test needs prctl(PR_SET_CHILD_SUBREAPER), Linux 3.4: %v\n", orphansVar, err)
		code = 99
	}
	os.Exit(code)
}

// adopt runs a command, after this process has become the parent of all that is orphaned below it.
func adopt(to string, args []string) (code int, err error) {
	const setChildSubreaper = 36
	if _, _, errno := syscall.RawSyscall6(syscall.SYS_PRCTL, setChildSubreaper, 1, 0, 0, 0, 0); errno != 0 {
		return 0, errno
	}
	if to == toItself { // what prctl has set outlives the exec
		return 0, syscall.Exec(args[0], args, os.Environ())
	}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var ended *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &ended) {
		return 0, err
	}
	for n := 0; ; n++ {
		if pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil); err != nil || pid <= 0 {
			fmt.Fprintf(os.Stderr, "left unburied: %d\n", n)
			return cmd.ProcessState.ExitCode(), nil
		}
	}
}

// Where nobody buries what the command has left behind, as in many containers, exec ends all the same, and the lock with it.
func TestExecEndsWhereNobodyBuriesOrphans(t *testing.T) {
	t.Parallel()
	s := serve(t)
	ana, ben := s.asUser(t, "1", "Ana"), s.asUser(t, "2", "Ben")
	const stubbornChild = `sh -c 'trap "" TERM; exec sleep 1000' & wait`
	const long = "--timeout=5" // until then the command has left behind what it does, on however loaded a machine
	done := filepath.Join(t.TempDir(), "done")
	for i, c := range []struct {
		name, to string
		flags    []string
		script   string
		code     int
		unburied int
		done     bool
	}{
		{"process 1", toItself, []string{long, "--kill-after=1h"}, `sleep 1000 & wait`, exitTimeout, 0, false},
		{"process 1, after SIGKILL", toItself, []string{long, "--kill-after=1"}, stubbornChild, exitTimeout, 0, false},
		{"process 1 waits for what works on", toItself, []string{long, "--kill-after=1h"},
			`sh -c 'trap "sleep 0.5; touch ` + done + `; exit" TERM; while :; do sleep 0.1; done' & wait`, exitTimeout, 0, true},
		{"process 1 passes the exit code on", toItself, nil, `sh -c 'exit 3' & sleep 0.2; exit 7`, 7, 0, false},
		{"below a process 1 that buries nobody", toNobody, []string{long, "--kill-after=1"}, `sleep 1000 & wait`, exitTimeout, 1, false},
		{"below such a one, after SIGKILL", toNobody, []string{long, "--kill-after=1"}, stubbornChild, exitTimeout, 1, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			resource := fmt.Sprintf("article/%d", i)
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			args := append(append([]string{program, "exec"}, c.flags...), resource, "--", "sh", "-c", c.script)
			cmd := exec.CommandContext(ctx, os.Args[0], args...)
			cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), orphansVar + "=" + c.to}, ana...)
			errs, err := os.Create(filepath.Join(t.TempDir(), "stderr")) // a pipe would have Run wait for all who have it
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = errs.Close() }()
			cmd.Stderr = errs
			err = cmd.Run()
			if _, err := os.Stat(done); c.done && err != nil {
				t.Error("exec has ended before what the command has left behind")
			}
			said, _ := os.ReadFile(errs.Name())
			if ctx.Err() != nil {
				t.Fatalf("exec does not end\n%s", said)
			}
			if code := cmd.ProcessState.ExitCode(); code != c.code {
				t.Fatalf("exit code %d, %v\n%s", code, err, said)
			}
			if n := fmt.Sprintf("left unburied: %d\n", c.unburied); c.to == toNobody && !strings.Contains(string(said), n) {
				t.Errorf("it does not say %q:\n%s", n, said)
			}
			if status, _, stderr := run(t, ben, "exec", "-n", resource, "true"); status != 0 {
				t.Errorf("the lock is not free: %d\n%s", status, stderr)
			}
		})
	}
}
