"""From an endpoint to a transport: the only place that knows which protocols there are."""

from __future__ import annotations

from pipelines.errors import ConfigurationError
from pipelines.transfer.base import Endpoint, Transport


def connect(endpoint: Endpoint) -> Transport:
    """A connection to the endpoint, to be closed after use.

    Errors: TransferError where it cannot be had, HostKeyError where the server is not the one agreed (before any
    password is sent), ConfigurationError for a scheme or a key file that cannot be used. File interface, section 1.
    """
    # Each protocol's libraries are loaded when it is used: paramiko alone takes as long as the rest of a command.
    match endpoint.scheme:
        case "sftp":
            from pipelines.transfer.sftp import SftpTransport

            return SftpTransport(endpoint)
        case "ftp" | "ftps":
            from pipelines.transfer.ftp import FtpTransport

            return FtpTransport(endpoint)
        case "file":
            from pipelines.transfer.directory import DirectoryTransport

            return DirectoryTransport(endpoint)
        case scheme:
            raise ConfigurationError(f"url: {scheme}: unknown protocol; expected sftp, ftps, ftp or file")
