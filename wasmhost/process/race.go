//go:build race

package process

// raceDetector says that the program is built with the race detector, which maps more memory than a limit allows.
const raceDetector = true
