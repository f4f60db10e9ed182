"""People in pictures, videos and cameras: frames, results. No labels are known here."""
