// s3-server is rclone with one back end (local folders) and one command (serve s3), so that it builds in a
// minute where the whole of rclone takes many. It must never hold anything but test data.
package main

import (
	_ "github.com/rclone/rclone/backend/local"
	"github.com/rclone/rclone/cmd"
	_ "github.com/rclone/rclone/cmd/serve/s3"
)

func main() { cmd.Main() }
