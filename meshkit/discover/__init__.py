"""Where the endpoints are: sources of them, and what each of them promises."""

from .dns import Dns
from .file import File
from .listing import endpoints_from
from .pushed import Pushed
from .source import Source
from .static import Static

__all__ = ["Dns", "File", "Pushed", "Source", "Static", "endpoints_from"]
