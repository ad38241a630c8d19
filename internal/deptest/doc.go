// Package deptest holds the arrows of the architecture: which room of the project may import which,
// and what the rules, being pure, may not touch. The table in arrows.go is the rule and gives its
// reason; the test applies it to the code as it stands. The package has no other use.
package deptest
