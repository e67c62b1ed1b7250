import pathlib

from spack.package import *

try:  # Spack 1.0 and newer
    from spack_repo.builtin.build_systems.cmake import CMakePackage
except ImportError:
    pass


class Nrmflow(CMakePackage):
    """The normalized relevance measure of vision networks over whole image datasets, on one machine or a cluster."""

    # The clone that this recipe is in.
    git = pathlib.Path(__file__).resolve().parents[5].as_uri()

    license("Apache-2.0")
    version("main", branch="main")

    variant("report", default=False, description="With the page of `nrmflow report`, whose packages npm fetches")

    depends_on("c", type="build")
    depends_on("cmake@3.25:", type="build")
    depends_on("ninja", type="build")
    depends_on("pkgconfig", type="build")
    depends_on("mpi@3:")
    depends_on("hdf5@1.10:+hl")
    depends_on("openblas")
    depends_on("zlib")
    depends_on("libjpeg-turbo")
    depends_on("libpng")
    depends_on("libwebp")
    depends_on("libzip")
    depends_on("libarchive")
    depends_on("libinih")
    depends_on("jansson")
    depends_on("openssl")
    depends_on("random123", type="build")
    depends_on("node-js@18:", type="build", when="+report")
    depends_on("npm", type="build", when="+report")

    generator("ninja")

    def cmake_args(self):
        return ["-DBUILD_TESTING=OFF", self.define("NRMFLOW_REPORT", "ON" if "+report" in self.spec else "OFF")]
