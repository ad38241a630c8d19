package server_test

import (
	"bufio"
	"bytes"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// withoutFrames are the tests whose clients write no messages, or write the frames of a WebSocket by hand: over a stream they
// would be the same again, or nothing.
const withoutFrames = `^(TestWithoutWebSocket|TestStream.*|TestPoll.*|TestHandshake|TestHandshakesOfOneAddress|TestPacesAreForgotten` +
	`|TestHostileFrames|TestFragments|TestSlowReader|TestReaderThatNeverReads|TestBurstReachesReader|TestLocalSocket|TestMountedOverTLS` +
	`|TestAccessTokenAttacks|TestOneKeyNeedsNoName|TestWhatIsWrongWithAToken|TestAccessMustBeConfigured|TestRights|TestNamesThatPretend` +
	`|TestOutbox.*|TestUniformAnswers|TestOptionsThatAreRefused)$`

// Without WebSocket everything is the same: the tests whose clients speak in frames run once more over a stream of events, and over
// long polls. They are run by another process of this program, which is told the way.
// Faults: W6
func TestWithoutWebSocket(t *testing.T) {
	if way != "" {
		t.Fatal("this is the other process already")
	}
	for _, way := range []string{"stream", "poll"} {
		t.Run(way, func(t *testing.T) { again(t, way) })
	}
}

var result = regexp.MustCompile(`^(\s*)--- (PASS|FAIL|SKIP): (\S+)`)

// again runs the tests of this program in another process, and reports each of them as a part of this one.
func again(t *testing.T, way string) {
	args := []string{"-test.v", "-test.run=^Test", "-test.skip=" + withoutFrames, "-test.timeout=10m"}
	if testing.Short() {
		args = append(args, "-test.short")
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
	cmd.Env = append(os.Environ(), "EDITLOCK_TEST_WAY="+way)
	out, err := cmd.CombinedOutput()
	failed, ran := false, 0
	lines := bufio.NewScanner(bytes.NewReader(out))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		found := result.FindStringSubmatch(lines.Text())
		if found == nil || found[1] != "" {
			continue
		}
		ran++
		t.Run(found[3], func(t *testing.T) {
			if found[2] != "PASS" {
				failed = true
				t.Error(strings.ToLower(found[2]))
			}
		})
	}
	if failed || err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	if ran < 30 {
		t.Errorf("only %d tests ran", ran)
	}
}
