package main

import (
	"strings"
	"testing"
)

// Help is there for those who ask for it as a command.
func TestHelpAsACommand(t *testing.T) {
	for _, command := range []string{"", "ls", "exec"} {
		_, want, _ := run(t, nil, append(strings.Fields(command), "--help")...)
		status, stdout, stderr := run(t, nil, append([]string{"help"}, strings.Fields(command)...)...)
		if status != 0 || stdout != want || stderr != "" {
			t.Errorf("help %s: %d\n%s%s", command, status, stdout, stderr)
		}
	}
	if status, stdout, stderr := run(t, nil, "help", "lss"); status != exitUsage || stdout != "" || !strings.Contains(stderr, `"lss"`) || !strings.Contains(stderr, `did you mean "ls"`) {
		t.Errorf("%d\n%s%s", status, stdout, stderr)
	}
	// Nothing that follows the name is swallowed, as it was by exec, which took it for the command to run.
	if status, stdout, stderr := run(t, nil, "help", "exec", "article/42", "true"); status != exitUsage || stdout != "" || !strings.Contains(stderr, "article/42") {
		t.Errorf("%d\n%s%s", status, stdout, stderr)
	}
}
