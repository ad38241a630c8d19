// Package again runs the tests of a package once more under another condition, in another process of the same test program.
package again

import (
	"bufio"
	"bytes"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// Way is the variable that tells the tests how clients are to connect; empty: by WebSocket.
const Way = "EDITLOCK_TEST_WAY"

var result = regexp.MustCompile(`^--- (PASS|FAIL|SKIP): (\S+)`)

// Over runs the tests that match run and not skip over another way, and reports each of them as a part of t. At least so many
// have to be there: a pattern that matches nothing shows nothing.
func Over(t *testing.T, way, run, skip string, least int) {
	t.Helper()
	if os.Getenv(Way) != "" {
		t.Fatal("this is the other process already")
	}
	args := []string{"-test.v", "-test.run=" + run, "-test.skip=" + skip, "-test.timeout=12m"}
	if testing.Short() {
		args = append(args, "-test.short")
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
	cmd.Env = append(os.Environ(), Way+"="+way)
	out, err := cmd.CombinedOutput()
	ran, failed := 0, false
	lines := bufio.NewScanner(bytes.NewReader(out))
	lines.Buffer(nil, len(out)+1)
	for lines.Scan() {
		found := result.FindStringSubmatch(lines.Text())
		if found == nil {
			continue
		}
		ran++
		t.Run(found[2], func(t *testing.T) {
			if found[1] != "PASS" {
				failed = true
				t.Error(strings.ToLower(found[1]))
			}
		})
	}
	if failed || err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	if ran < least {
		t.Errorf("only %d tests ran over %s", ran, way)
	}
}
